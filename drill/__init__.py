"""The fault drill: push while workers are killed, stores hang and disks are full. Nothing is lost, nothing doubled."""
