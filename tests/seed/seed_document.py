"""Reads the user's own document: its compose files, container commands, curl calls and replies.

Nothing is rewritten: a command is what its shell or YAML says, word for word.
"""
import dataclasses
import json
import re
import shlex

import yaml


@dataclasses.dataclass
class Service:
    """One server that the document starts."""
    section: str
    argv: list  # ["vllm", "serve", ...]
    environment: dict

    @property
    def model(self):
        return self.argv[2]

    @property
    def port(self):
        return int(self.argv[self.argv.index("--port") + 1])

    @property
    def name(self):
        return self.argv[self.argv.index("--served-model-name") + 1]


@dataclasses.dataclass
class Section:
    title: str
    services: list = dataclasses.field(default_factory=list)
    curls: list = dataclasses.field(default_factory=list)  # shell commands
    replies: list = dataclasses.field(default_factory=list)  # JSON, with its order of keys


def environment_of(items):
    return dict(item.split("=", 1) for item in items)


def services_of_compose(title, text):
    for service in yaml.safe_load(text)["services"].values():
        argv = [*service["entrypoint"], *shlex.split(service["command"])]
        yield Service(title, argv, environment_of(service["environment"]))


def service_of_docker_run(title, text, exported):
    """`docker run [options] IMAGE arguments`: what the container's entrypoint is given."""
    words = shlex.split(text.replace("\\\n", ""))
    entrypoint = words[words.index("--entrypoint") + 1]
    image = next(i for i, word in enumerate(words) if re.fullmatch(r"\S+/vllm-ascend:\S+", word))
    return Service(title, [entrypoint, *words[image + 1:]], exported)


def read_sections(text):
    """Sections in their order; a fenced block belongs to the heading above it."""
    sections, exported = [Section("")], {}
    for match in re.finditer(r"^#+ (?P<heading>[^\n]+)$|^```(?P<kind>\w+)\n(?P<block>.*?)^```$", text,
                             re.M | re.S):
        if match["heading"]:
            sections.append(Section(match["heading"].strip()))
            continue
        section, block = sections[-1], match["block"]
        if match["kind"] == "yaml":
            section.services += services_of_compose(section.title, block)
        elif match["kind"] == "json":
            section.replies.append(json.loads(block))
        elif block.startswith("curl "):
            section.curls.append(block)
        elif block.startswith("docker run "):
            section.services.append(service_of_docker_run(section.title, block, exported))
        else:
            exported |= environment_of(re.findall(r"^export (\S+)$", block, re.M))
    return [s for s in sections if s.services or s.curls]
