"""Plan a survey and get it flown."""
