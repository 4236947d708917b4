"""The claims of the DemP paper, frozen before they were run at laptop scale: how units die (C1), of what (C2), and
what their removal is worth (C3 to C5)."""

from isthmus.papers.demp import claims_deaths, claims_noise, claims_removal

CLAIMS = (*claims_deaths.CLAIMS, *claims_noise.CLAIMS, *claims_removal.CLAIMS)
