"""Pods whose lines are known, printed by the Python of the sidecar's image."""

from typing import Any

from tests.support.kubeapi import Api

Json = dict[str, Any]
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}

NUMBERED = """
import sys, time
for number in range(int(sys.argv[1])):
    print(f"line {number:06d}", flush=True)
    time.sleep(float(sys.argv[2]))
time.sleep(3600)
"""
"""Prints as many lines as its first argument says, and waits for as many seconds after each as its second says.

Then it stays, because the kubelet removes the log files of pods that are gone.
"""

SPOKEN = '''
import json, sys, time
print(json.dumps({"level": "warn", "order": {"id": 9007199254740993}, "text": "as fields"}))
print("the key AKIAIOSFODNN7EXAMPLE is no one's business")
print("""java.lang.IllegalStateException: what a trace says
\\tat com.example.Shop.order(Shop.java:7)
\\tat com.example.Shop.main(Shop.java:3)
Caused by: java.io.IOException: disk full
\\t... 2 more""")
print("an ERROR of somebody", file=sys.stderr)
print("the end", flush=True)
time.sleep(3600)
'''
"""One JSON line, one with a secret, a stack trace, one on stderr, a last one."""


def run_pod(api: Api, namespace: str, name: str, image: str, program: str, *arguments: object) -> None:
    """Start a pod that runs a Python program."""
    api.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-u", "-c", program, *map(str, arguments)],
                        "securityContext": _RESTRICTED,
                    }
                ],
                "terminationGracePeriodSeconds": 0,
                "restartPolicy": "Never",
                "tolerations": [{"operator": "Exists"}],
            },
        },
    )
