"""How fast networks train here, beside the ways of training them that people use. Needs torch, numpy, safetensors,
and pandas, scipy, seaborn for the table and the figures; nothing else of the project's dependencies."""
