"""Read by gunicorn at start. What a dyno wants: nothing written to disk."""

# The workers' heartbeat files go to memory, which every dyno can write to.
worker_tmp_dir = "/dev/shm"

# gunicorn's control socket would be a file in the home folder.
control_socket_disable = True
