# A server, 8 clients, 1 MiB each way, 64 descriptors: same output on both systems, from both C libraries.
# SPDX-License-Identifier: MIT
import lib


def by_client(output):
    """Lines start with the client they are about; each client's come in their own order, from two processes."""
    return b"".join(sorted(output.splitlines(keepends=True)))


with lib.Tree() as tree:
    libraries = ("musl", "glibc")
    for library in libraries:
        tree.add(lib.program(f"afunix_session.{library}"), f"test/session.{library}")
    root = tree.seal()
    for library in libraries:
        argv = [f"/test/session.{library}"]
        linux = lib.linux(argv, root, 120)
        lib.require(b"server: 8 connections, 64 descriptors" in linux.stdout, f"{library}: Linux ran it", run=linux)
        lib.require_same(f"session, {library}", linux, lib.aramid(argv, root, 300), by_client)
lib.finish()
