"""Files of a partner, read as the options of its provider say."""
