"""The Fluent Bit configuration, as data. Every setting that isn't Fluent Bit's default says why."""

import re
from typing import Any

from sidecar.config.model import Config, version_tuple
from sidecar.render import fields
from sidecar.render.layout import Layout
from sidecar.render.tailing import FILTERED, LOGS, log_filter, log_inputs

Json = dict[str, Any]

HOST, PORT, USER, PASSWORD = "OPENSEARCH_HOST", "OPENSEARCH_PORT", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD"
"""Variables that Fluent Bit reads from files in `Layout.environment`, which the sidecar writes."""

EVENTS = "events"
"""Tag and alias of the events pipeline."""
_EVENT_PARSER = "fluent-sidecar-event"
_EVENT_RETRIES = 60
_DROPS_ALONE = (5, 1, 3)
_CHUNK = 2 * 2**20


def variables(config: Config) -> tuple[str, ...]:
    """The variables that the configuration for `config` needs."""
    return (HOST, PORT, USER, PASSWORD) if _has_password(config) else (HOST, PORT)


def _has_password(config: Config) -> bool:
    return bool(config.opensearch.auth.basic or config.opensearch.auth.ssm)


_DOLLAR, _BRACE = "DOLLAR", "BRACE"


def as_variable(text: str) -> str:
    """What a variable's file must hold for Fluent Bit to take `text` for its value.

    Fluent Bit expands a property twice, so that `${HOME}` in a password would become a path; and of what it expands the
    second time, a `}` before the first `${` ends everything.
    """
    if "${" not in text:
        return text
    return "".join(
        f"${{{_BRACE}}}" if part == "}" else f"${{{_DOLLAR}}}{{" if part == "${" else part
        for part in re.split(r"(\$\{|\})", text)
    )


def fluent_bit(config: Config) -> Json:
    """The whole file, from top to bottom."""
    layout = Layout.of(config)
    logs, extra = config.logs.enabled, config.fluentbit.extra
    return {
        # Address and credentials come from files on a memory volume: no secret is in this one, and the address is a
        # closed local port until the index templates are in place.
        "env": [
            *(
                {"name": name, "value": value}
                for name, value in ((_DOLLAR, "$"), (_BRACE, "}"))
                if _has_password(config)
            ),
            *({"name": name, "uri": f"file://{layout.environment}/{name}"} for name in variables(config)),
        ],
        "service": _service(config, layout),
        "parsers": [_event_parser()],
        "pipeline": {
            "inputs": [_event_input(layout), *(log_inputs(config, layout) if logs else ()), *map(dict, extra.inputs)],
            "filters": [_event_filter(), *([log_filter(layout)] if logs else ()), *map(dict, extra.filters)],
            "outputs": [_event_output(config), *([_log_output(config)] if logs else ()), *map(dict, extra.outputs)],
        },
    }


def _service(config: Config, layout: Layout) -> Json:
    return {
        "flush": 1,
        "log_level": "info",
        # A reload waits for as long; collection stands still meanwhile.
        "grace": 1,
        # Loopback: whoever reaches this port can reload Fluent Bit.
        "http_server": True,
        "http_listen": "127.0.0.1",
        "http_port": config.fluentbit.port,
        # With thread safety a reload during an outage never ends, and collects nothing.
        "hot_reload": True,
        "hot_reload.ensure_thread_safety": False,
        # A letter outside ASCII takes two to four bytes as it is, and six as an escape.
        "json.escape_unicode": False,
        "storage.path": layout.chunks,
        "storage.sync": "normal",
        "storage.checksum": False,
        "storage.metrics": True,
        # Chunks in memory at a time, of 2 MiB each; the others wait on disk.
        "storage.max_chunks_up": max(config.buffer.memory // _CHUNK, 1),
        "storage.backlog.mem_limit": config.buffer.memory,
        # A chunk tried again after 5 s, then at random up to 30 s: the default of 2000 s sleeps past an outage's end.
        "scheduler.base": 5,
        "scheduler.cap": 30,
    }


def _event_parser() -> Json:
    return {
        "name": _EVENT_PARSER,
        "format": "json",
        # Taken out of the record here and put back by the output: a field that is there twice is refused.
        "time_key": fields.TIMESTAMP,
        "time_format": "%Y-%m-%dT%H:%M:%S.%LZ",
        "time_keep": False,
    }


def _event_input(layout: Layout) -> Json:
    return {
        "name": "tail",
        "alias": EVENTS,
        "tag": EVENTS,
        "path": f"{layout.journal}/*.jsonl",
        "parser": _EVENT_PARSER,
        "read_from_head": True,
        "refresh_interval": 1,
        "db": f"{layout.positions}/events.db",
        # A segment's name never comes again, its inode does.
        "db.compare_filename": True,
        # Chunks in memory would be lost with the process, although the position has moved on.
        "storage.type": "filesystem",
        "buffer_chunk_size": "256k",
        # The API server takes objects of up to 1.5 MiB. A longer line would end the reading of its file; this skips
        # it, and the sidecar sends it.
        "buffer_max_size": "4M",
        "skip_long_lines": True,
    }


def _event_filter() -> Json:
    # A torn line, left by a crash, comes without an id: the whole event is in the next segment.
    return {"name": "grep", "match": EVENTS, "regex": f"{fields.ID} ^.+$"}


def _event_output(config: Config) -> Json:
    return {
        **_output(config, EVENTS, {"match": EVENTS}, time_key=fields.TIMESTAMP),
        # Some 15 minutes. Then the sidecar sends what is missing, and what OpenSearch refuses can't be tried for ever.
        "retry_limit": _EVENT_RETRIES,
        "storage.total_limit_size": config.events.journal,
    }


def _log_output(config: Config) -> Json:
    # One for all routes: the filter has looked the index up.
    return {
        **_output(config, LOGS, {"match_regex": FILTERED}, time_key=fields.OBSERVED),
        # Nobody else has these lines. The disk buffer is the limit, and no document is refused.
        "retry_limit": "no_limits",
        "storage.total_limit_size": config.buffer.disk,
    }


def _output(config: Config, alias: str, match: Json, *, time_key: str) -> Json:
    opensearch = config.opensearch
    output: Json = {
        "name": "opensearch",
        "alias": alias,
        **match,
        "host": f"${{{HOST}}}",
        "port": f"${{{PORT}}}",
        "suppress_type_name": True,
        # Index and id are the record's own, and `create` leaves what is there: a retry can't double anything.
        "index": f"${fields.INDEX}",
        "id_key": fields.ID,
        "write_operation": "create",
        "time_key": time_key,
        # An answer longer than the buffer would count as a failure, although everything in it was stored.
        "buffer_size": False,
        # A request that is never answered would be waited for without end, and a reload waits for it: nothing is
        # collected meanwhile. What was stored all the same is found there the next time.
        "net.io_timeout": 30,
        # Formatting in a thread of its own leaves the main one to the inputs.
        "workers": 1,
    }
    if opensearch.endpoint.path:
        output["path"] = opensearch.endpoint.path
    if opensearch.compress:
        output["compress"] = "gzip"
    if version_tuple(config.fluentbit.version) >= _DROPS_ALONE:
        # What OpenSearch refuses goes alone, and is counted; without, its whole chunk would be tried again.
        output["drop_unrecoverable_records"] = True
    return output | _credentials(config) | _tls(config)


def _credentials(config: Config) -> Json:
    if _has_password(config):
        return {"http_user": f"${{{USER}}}", "http_passwd": f"${{{PASSWORD}}}"}
    sigv4 = config.opensearch.auth.sigv4
    if sigv4:
        # "on" as text: of `true` Fluent Bit makes nothing, without a word, and sends requests that nobody has signed.
        signed: Json = {"aws_auth": "on", "aws_region": sigv4.region, "aws_service_name": sigv4.service}
        return signed | ({"aws_role_arn": sigv4.role_arn} if sigv4.role_arn else {})
    return {}


def _tls(config: Config) -> Json:
    if config.opensearch.endpoint.scheme == "http":
        return {"tls": False}
    tls: Json = {"tls": True, "tls.verify": config.opensearch.tls.verify}
    if config.opensearch.tls.verify:
        # The name in the certificate too: without it any certificate of the same CA would do.
        tls["tls.verify_hostname"] = True
    if config.opensearch.tls.ca:
        tls["tls.ca_file"] = config.opensearch.tls.ca
    mtls = config.opensearch.auth.mtls
    if mtls:
        tls |= {"tls.crt_file": mtls.cert, "tls.key_file": mtls.key}
    return tls
