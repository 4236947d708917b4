"""The claims of the three papers on lottery tickets, frozen before they were run at laptop scale."""

from isthmus.papers.lottery_tickets import claims_diversity, claims_stability, claims_tickets, claims_transfer

CLAIMS = (*claims_tickets.CLAIMS, *claims_stability.CLAIMS, *claims_transfer.CLAIMS, *claims_diversity.CLAIMS)
