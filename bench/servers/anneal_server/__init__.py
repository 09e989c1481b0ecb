"""In the model server's place by ANNEAL_SERVER_DIR: speaks its protocol and only keeps time, with no torch in it."""
