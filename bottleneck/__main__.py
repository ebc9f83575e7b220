"""`python -m bottleneck COMMAND`: the commands without the console script."""

from bottleneck.commands import main

main()
