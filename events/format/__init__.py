"""What an event is: the rules for its fields, and its stored form."""
