"""What can be bought at which price, as tables of the lake."""
