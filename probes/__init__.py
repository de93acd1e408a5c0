"""What sees the kernel for Tailrace: one folder for each probe, and in kernel/ what all of them use."""
