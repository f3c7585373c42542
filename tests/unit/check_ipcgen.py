#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The generator and the manifest maker refuse what is wrong, and say what; the real files pass. TAP on stdout."""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOOD = '[protocol]\nname = "p"\nid = 9\ndoc = "d"\n[[op]]\nname = "a"\ndoc = "d"\n'
BAD_PROTOCOLS = [
    ("no doc", '[protocol]\nname = "p"\nid = 9\n', "lacks 'doc'"),
    ("id 0", GOOD.replace("id = 9", "id = 0"), "protocol id 0"),
    ("op twice", GOOD + '[[op]]\nname = "a"\ndoc = "d"\n', "named twice"),
    ("unknown key", GOOD + "colour = 1\n", "unknown key ['colour']"),
    ("field type", GOOD + 'request = [{ name = "x", type = "u8" }]\n', "type 'u8'"),
    ("too many words", GOOD + "request = [" + ",".join(
        f'{{ name = "f{i}", type = "u64" }}' for i in range(65)) + "]\n", "65 request fields"),
    ("too many capabilities", GOOD + "caps_in_max = 9\n", "more than 8 capabilities in"),
    ("caps twice", GOOD + 'caps_in_max = 2\ncaps_in = ["x"]\n', "given twice"),
    ("no TOML", "[protocol\n", "ipcgen.py:"),
]
SERVER = '[[server]]\nname = "s"\nissuer = "ISSUER_PROCD"\npriority = 4\nheap = "2M"\nuntyped = "4K"\nslots = 512\n'
BAD_MANIFESTS = [
    ("heap", SERVER.replace('"2M"', '"3M"'), "multiple of 2 MiB"),
    ("untyped", SERVER.replace('"4K"', '"5K"'), "power of two"),
    ("slots", SERVER.replace("512", "300"), "multiple of 256"),
    ("priority", SERVER.replace("= 4\n", "= 63\n"), "0..62"),
    ("issuer", SERVER.replace("PROCD", "NOBODY"), "ISSUER_NOBODY"),
    ("unknown key", SERVER + "colour = 1\n", "unknown key"),
    ("twice", SERVER + SERVER, "named twice"),
    ("missing", SERVER.replace("slots = 512\n", ""), "lacks 'slots'"),
    ("gate of nobody", SERVER + 'root_gates = [{ server = "t", badge = "BADGE_ROOT" }]\n', "'t' is not one of"),
]


def run(script, *arguments):
    return subprocess.run([sys.executable, ROOT / script, *arguments], capture_output=True, text=True, check=False)


def refuses(script, arguments, text, message, folder):
    source = Path(folder) / "input.toml"
    source.write_text(text, encoding="utf-8")
    result = run(script, *arguments, source, Path(folder) / "output")
    return result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr


def main():
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text, message in BAD_PROTOCOLS:
            results.append((f"ipcgen refuses: {name}",
                            refuses("libipc/generator/ipcgen.py", ["header"], text, message, folder)))
        for name, text, message in BAD_MANIFESTS:
            results.append((f"mkmanifest refuses: {name}",
                            refuses("system/mkmanifest.py", [], text, message, folder)))
        output = Path(folder) / "output"
        for protocol in sorted((ROOT / "libipc/protocols").glob("*.toml")):
            for kind in ("header", "client", "server", "print", "docs"):
                results.append((f"ipcgen {kind} {protocol.name}",
                                run("libipc/generator/ipcgen.py", kind, protocol, output).returncode == 0))
        results.append(("mkmanifest takes the manifest",
                        run("system/mkmanifest.py", ROOT / "system/manifest.toml", output).returncode == 0))
        bundle = [f"{name}={ROOT / 'LICENSE'}" for name in ("init", "rootfs")]
        made = run("system/mkbundle.py", output, *bundle)
        results.append(("a bundle's blobs are whole pages", made.returncode == 0 and output.stat().st_size % 4096 == 0))
        results.append(("mkbundle refuses a name twice", run("system/mkbundle.py", output, bundle[0], bundle[0]).returncode == 1))
    print(f"1..{len(results)}")
    for number, (name, passed) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
    return 0 if all(passed for _, passed in results) else 1


if __name__ == "__main__":
    sys.exit(main())
