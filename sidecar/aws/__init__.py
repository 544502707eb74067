"""The link to AWS: parameters of the Parameter Store, and signatures. botocore is loaded when it is first needed."""

from sidecar.aws.parameters import Parameters
from sidecar.aws.signer import Signer

__all__ = ["Parameters", "Signer"]
