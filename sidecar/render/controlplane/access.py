"""How the function proves who it is: what that takes of parameters, and what its role may do for it."""

from collections.abc import Iterator

from sidecar.config.model import Config
from sidecar.render.controlplane.settings import template_name
from sidecar.render.controlplane.words import NO_VALUE, Json, allow, arn, parameter, ref

_KEY = {
    "KmsKeyArn": parameter(
        "KMS key that parameters or secret are encrypted with; empty for the AWS managed one", Default=""
    )
}


def access_parameters(config: Config) -> Json:
    """What only whoever deploys knows of the credentials."""
    auth = config.opensearch.auth
    if auth.sigv4:
        return {} if auth.sigv4.role_arn else {"DomainArn": parameter("ARN of the OpenSearch domain")}
    if auth.basic:
        text = "Secret of AWS Secrets Manager with user and password: JSON with username and password"
        return {"SecretArn": parameter(text), **_KEY}
    return dict(_KEY) if auth.ssm else {}


def access_conditions(config: Config) -> Json:
    """Whether there is a key of one's own."""
    if not _uses_key(config):
        return {}
    return {"HasKmsKey": {"Fn::Not": [{"Fn::Equals": [ref("KmsKeyArn"), ""]}]}}


def _uses_key(config: Config) -> bool:
    return bool(config.opensearch.auth.basic or config.opensearch.auth.ssm)


def statements(config: Config) -> Iterator[Json]:
    """What the function may do."""
    yield allow(["logs:CreateLogStream", "logs:PutLogEvents"], arn("LogGroup"))
    yield allow("sqs:SendMessage", arn("Queue"))
    auth = config.opensearch.auth
    if auth.ssm:
        names = ("user", "password") if config.opensearch.url else ("user", "password", "host")
        here = f"arn:${{AWS::Partition}}:ssm:{auth.ssm.region}:${{AWS::AccountId}}:parameter{auth.ssm.path}"
        yield allow("ssm:GetParameters", [{"Fn::Sub": f"{here}/{name}"} for name in names])
    if auth.basic:
        yield allow("secretsmanager:GetSecretValue", ref("SecretArn"))
    if auth.sigv4 and auth.sigv4.role_arn:
        yield allow("sts:AssumeRole", auth.sigv4.role_arn)
    elif auth.sigv4:
        # These two requests are all that it makes.
        yield allow("es:ESHttpGet", {"Fn::Sub": f"${{DomainArn}}/_index_template/{template_name(config)}"})
        yield allow("es:ESHttpPost", {"Fn::Sub": "${DomainArn}/_bulk"})
    if _uses_key(config):
        yield {"Fn::If": ["HasKmsKey", allow("kms:Decrypt", ref("KmsKeyArn")), NO_VALUE]}
