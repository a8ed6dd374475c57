"""Kill a real job at random moments, again and again, and see that nothing comes to harm."""
