"""What sees the kernel: one folder for each probe, and in kernel/ what all of them use."""
