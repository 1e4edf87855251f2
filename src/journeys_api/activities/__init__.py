"""What recipients and mail servers did with messages: the ledger, and everything that follows from a fact."""
