"""What a site knows, and no patient's: `medicines` and their ingredients, what is `withheld`, and the list of `interactions`."""
