"""What an operator owes in writing: policies, their notice, and the list of subprocessors."""
