# SPDX-License-Identifier: MIT
"""A bootable image: GRUB for BIOS and for UEFI, the kernel, the bundle. Works from a CD, a USB stick and QEMU's -cdrom."""
import os
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

from aramid_tools import build, common, guest
from aramid_tools.common import ToolError, note

# Nothing here may ask or wait: the only terminal may be a serial line that nobody listens to yet. GRUB fails to find a
# serial port on machines that have none, and then goes on with the screen.
MENU = """\
set timeout=0
if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
fi
menuentry 'Aramid (its terminal is the first serial port, COM1, at 115200 baud)' {{
    multiboot2 /boot/aramid.elf {append}
    module2 /boot/bundle
    echo 'Aramid: the terminal is the first serial port (COM1, 115200 baud, 8N1).'
}}
"""
# What MENU uses, and what grub-mkrescue's own first lines load (every kind of partition table).
MODULES = ("normal multiboot2 serial echo test iso9660 fat search_fs_file search_label part_acorn part_amiga part_apple "
           "part_bsd part_dfly part_dvh part_gpt part_msdos part_plan part_sun part_sunpc")
TOOLS = {"grub-mkrescue": "grub-common", "xorriso": "xorriso", "mformat": "mtools"}
PLATFORMS = {"i386-pc": "grub-pc-bin", "x86_64-efi": "grub-efi-amd64-bin"}
GRUB_LIBRARY = Path("/usr/lib/grub")
# What says how to boot has no meaning when nothing boots.
MEANINGLESS = ("timeout", "icount", "verbose", "log", "tty", "gdb", "qmp")


def check(arguments, parser):
    """Complain before a long build: about other options, about the file."""
    for name in MEANINGLESS:
        if getattr(arguments, name):
            parser.error(f"--iso makes an image and boots nothing: --{name} has no meaning with it")
    path = Path(arguments.iso)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ToolError(f"--iso {path}: expected a file to write, and this is "
                            + ("a directory" if path.is_dir() else "a device or a pipe (write a file, then dd it)"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ToolError(f"--iso {path}: {error.strerror}") from error
    if not path.parent.is_dir():
        raise ToolError(f"--iso {path}: there is no directory {path.parent}")
    for target in (path.parent, path):
        if target.exists() and not os.access(target, os.W_OK):
            raise ToolError(f"--iso {path}: {target} is not writable")


def _check_tools():
    """packages.ensure has looked at the packages; this is for machines where it could not."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    missing += [package for name, package in PLATFORMS.items() if not (GRUB_LIBRARY / name / "multiboot2.mod").exists()]
    if missing:
        raise ToolError(f"--iso needs GRUB's tools, and they are missing: apt-get install {' '.join(missing)}")


def _quoted(text):
    """For GRUB's shell: guest.command_text leaves no quote, backslash or space in a word."""
    return " ".join(f"'{word}'" for word in text.split())


def make(arguments, merged, text):
    """Write the image that does what the command `text` says. The file appears whole or not at all."""
    _check_tools()
    target = Path(arguments.iso).absolute()
    with guest.work_directory(arguments.keep) as work:
        tree = Path(work, "iso")
        (tree / "boot/grub").mkdir(parents=True)
        bundle, append = guest.write_bundle(work, merged, text)
        bundle.rename(tree / "boot/bundle")
        shutil.copy(common.BUILD / build.KERNEL, tree / "boot/aramid.elf")
        (tree / "boot/grub/grub.cfg").write_text(MENU.format(append=_quoted(append)), encoding="ascii")
        partial = target.with_name(target.name + ".partial")
        command = ["grub-mkrescue", "-o", str(partial), f"--install-modules={MODULES}", "--fonts=", "--locales=", "--themes=",
                   str(tree), "--", "-volid", "ARAMID"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, env=os.environ | {"TMPDIR": work, "LC_ALL": "C"})
        try:
            if done.returncode != 0:
                lines = done.stdout.strip().splitlines() or ["it said nothing"]
                raise ToolError(f"--iso {target}: grub-mkrescue failed with status {done.returncode}: {_reason(lines)}")
            partial.replace(target)
        except OSError as error:
            raise ToolError(f"--iso {target}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
    _explain(target)


def _reason(lines):
    """xorriso ends with lines that say only that it failed."""
    return next((line for line in lines if "FAILURE" in line or "error" in line.lower()), lines[-1])


def _explain(target):
    size = -(-target.stat().st_size >> 20)
    name = shlex.quote(str(target))
    note(f"made {target}, {size} MiB: GRUB (BIOS, and UEFI without Secure Boot), the kernel, the bundle. To boot it:")
    note(f"  qemu-system-x86_64 -cpu max -m 512M -cdrom {name} -serial mon:stdio -display none      (Ctrl-A x leaves)")
    note(f"  dd if={name} of=/dev/sdX bs=4M conv=fsync      (a USB stick, which loses what it holds; the PC's first serial "
         "port is the terminal)")
