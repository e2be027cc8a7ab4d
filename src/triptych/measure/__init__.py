"""How fast a model runs here, stage by stage, beside what this machine can do at most."""
