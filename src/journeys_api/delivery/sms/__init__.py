"""Short messages: how long they are, whom they go to, and the gateways that they leave by."""
