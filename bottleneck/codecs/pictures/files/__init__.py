"""What image formats share: pictures in and out, where a file ends."""
