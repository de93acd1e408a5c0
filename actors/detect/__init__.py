"""What is worse than it used to be, by edge and symptom. Pure: columns of counts in, columns of findings out."""
