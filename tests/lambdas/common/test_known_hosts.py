"""What known_hosts lines mean, held against ssh-keygen and sshd(8)."""

import subprocess
from pathlib import Path

import pytest

from lambdas.common.known_hosts import VERIFIABLE, known, lines

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBd7Hhbd0sXMBqZb7xj4Vt5tVvFtSDVyUQGwvVDxTUYd"


@pytest.mark.parametrize(
    ("text", "host", "port", "keys"),
    [
        (f"git.example.com {KEY}", "git.example.com", 22, (KEY,)),
        (f"git.example.com {KEY} a comment", "GIT.example.com", 22, (KEY,)),
        (f"\t git.example.com\t{KEY}", "git.example.com", 22, (KEY,)),
        (f"# git.example.com {KEY}", "git.example.com", 22, ()),
        (f"a.example,git.example.com,10.0.0.1 {KEY}", "10.0.0.1", 22, (KEY,)),
        (f"*.example.com {KEY}", "git.example.com", 22, (KEY,)),
        (f"*.example.com {KEY}", "example.com", 22, ()),
        (f"git?.example.com {KEY}", "git1.example.com", 22, (KEY,)),
        (f"*.example.com,!git.example.com {KEY}", "git.example.com", 22, ()),
        (f"!git.example.com,*.example.com {KEY}", "www.example.com", 22, (KEY,)),
        (f"!git.example.com {KEY}", "www.example.com", 22, ()),
        (f"[git.example.com]:2222 {KEY}", "git.example.com", 2222, (KEY,)),
        (f"[git.example.com]:2222 {KEY}", "git.example.com", 22, ()),
        (f"git.example.com {KEY}", "git.example.com", 2222, (KEY,)),
        (f"git.example.com {KEY}\n[git.example.com]:2222 {OTHER}", "git.example.com", 2222, (OTHER,)),
        (f"[*.example.com]:2222 {KEY}", "git.example.com", 2222, (KEY,)),
        (f"git[ab].example.com {KEY}", "gita.example.com", 22, ()),
        (f"@revoked * {KEY}\ngit.example.com {KEY}\ngit.example.com {OTHER}", "git.example.com", 22, (OTHER,)),
        (f"@revoked git.example.com {KEY}\n[git.example.com]:2222 {KEY}", "git.example.com", 2222, ()),
        (f"@revoked elsewhere.example {KEY}\ngit.example.com {KEY}", "git.example.com", 22, (KEY,)),
        (f"@cert-authority *.example.com {KEY}", "git.example.com", 22, ()),
        (f"@unheard-of git.example.com {KEY}", "git.example.com", 22, ()),
        (f"git.example.com {KEY.replace('ssh-ed25519', 'ssh-rsa')}", "git.example.com", 22, ()),
        ("git.example.com ssh-ed25519 AAAA!", "git.example.com", 22, ()),
    ],
)
def test_lines_mean_what_openssh_says(text: str, host: str, port: int, keys: tuple[str, ...]) -> None:
    assert known(text, host, port).keys == keys


def test_authorities_and_revoked_keys_are_told() -> None:
    found = known(f"@cert-authority *.example.com {KEY}\n@revoked * {OTHER}", "git.example.com", 22)
    assert (found.keys, found.authorities, found.revoked) == ((), (KEY,), (OTHER,))


@pytest.mark.parametrize("name", ["git.example.com", "[git.example.com]:2222"])
def test_hashed_names_are_those_of_ssh_keygen(tmp_path: Path, name: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{name} {KEY}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    text = file.read_text()
    assert text.startswith("|1|")
    port = 2222 if "2222" in name else 22
    assert known(text, "Git.Example.com", port).keys == (KEY,)
    assert known(text, "git.example.org", port).keys == ()
    assert known("|1|bad " + KEY, "git.example.com", 22).keys == ()


@pytest.mark.parametrize(
    "text", [f"git.example.com,!*.example.com {KEY}", f"*.com {KEY}", f"[git.example.com]:22 {KEY}"]
)
def test_the_same_hosts_as_ssh_keygen_finds(tmp_path: Path, text: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(text + "\n")
    command = ["ssh-keygen", "-F", "git.example.com", "-f", str(file)]
    found = subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert bool(known(text, "git.example.com", 22).keys) == found


def test_every_type_that_git_pull_verifies_is_read() -> None:
    assert {"ssh-ed25519", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"} <= set(VERIFIABLE)
    assert not list(lines("\n \n#\n@revoked\nhost\nhost ssh-rsa"))
