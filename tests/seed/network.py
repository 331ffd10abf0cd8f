"""A private network, so that the document's ports are free whatever else runs on the machine, and a
name of the internet that the document uses can stand for a server of the test."""
import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

INSIDE = "PAGODA_TEST_NETWORK"
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1


def bring_up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def be_host(name, address, folder):
    """Makes `name` resolve to `address`, and that be this machine's, for the test and what it
    starts. Only in a private network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(control, SIOCSIFADDR, request)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{address} {name}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def ask_only_this_machine_for_names(folder):
    """Only in a private network."""
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)


def refuse_busy_ports(ports):
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as e:
                if e.errno == errno.EADDRINUSE:
                    sys.exit(f"port {port} is in use, and no private network can be made here")
                raise


def enter_private_network(ports):
    """Runs this script again in a network of its own, with mounts of its own; where the system
    forbids that (a container without user namespaces), goes on in this one if the ports are free.
    Whether the network is private."""
    if os.environ.get(INSIDE):
        bring_up_loopback()
        return True
    unshare = shutil.which("unshare")
    works = unshare and os.spawnl(os.P_WAIT, unshare, "unshare", "-rnm", "true") == 0
    if works:
        os.environ[INSIDE] = "1"
        os.execv(unshare, ["unshare", "-rnm", sys.executable, *sys.argv])
    refuse_busy_ports(ports)
    return False
