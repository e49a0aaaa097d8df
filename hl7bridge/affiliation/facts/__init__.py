"""What messages say for the programme, as facts under keys of their own (`facts`), and as bytes to be kept (`data`)."""
