"""How a message reaches people: webhook, Slack and its like, e-mail. `carrier` is the contract of all."""
