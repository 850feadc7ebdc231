"""`make audit`: the pinned packages of the image among OSV's known vulnerabilities, by pip-audit.

Ends with 1 where one is found. Where the service can't be reached, as in a CI without a network, it
says SKIPPED and ends with 0, within half a minute.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="give up after")
    options, others = parser.parse_known_args()
    packages, reason = _audited(others, options.seconds)
    if packages is None:
        return _say(f"Audit: SKIPPED, as vulnerabilities can't be looked up: {reason}", 0)
    found = [package for package in packages if package.get("vulns")]
    for package in found:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version"
            _say(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}", 1)
    return _say(f"Audit: {len(found)} of {len(packages)} packages are vulnerable.", bool(found))


def _audited(arguments: list[str], seconds: float) -> tuple[list[dict[str, Any]] | None, str]:
    """pip-audit's report, or None and why there is none; its exit code is 1 for that as well."""
    # By the lock alone: nothing is downloaded or resolved.
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK)]
    command += ["--require-hashes", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--format", "json", "--progress-spinner", "off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {seconds:g} s"
    try:
        report: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None, (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1][:300]
    return report, ""


def _say(text: str, code: int) -> int:
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
