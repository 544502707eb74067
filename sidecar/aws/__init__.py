"""The link to AWS: parameters, secrets, and signatures. botocore is loaded when it is first needed."""

from sidecar.aws.parameters import Parameters
from sidecar.aws.secrets import Secret
from sidecar.aws.signer import Signer

__all__ = ["Parameters", "Secret", "Signer"]
