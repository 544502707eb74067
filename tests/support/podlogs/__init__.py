"""Pod logs as containerd and the kubelet write them, and the count of what became of every line.

`spec` says what is written, `generate` is the process that writes it, `truth` what it wrote, `score` what arrived.
"""
