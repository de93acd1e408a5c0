"""Where failures live: values of attributes that separate the bad from the healthy. Pure: columns in, causes out."""
