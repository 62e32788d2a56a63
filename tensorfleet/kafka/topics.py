"""Makes the registry's topics, and checks at every start that they are what they should be."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from tensorfleet.domain.errors import LogUnavailable, TopicMismatch
from tensorfleet.events.topics import TopicSpec
from tensorfleet.kafka.brokers import Complaints

_LOG = logging.getLogger(__name__)
_PATIENCE_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
_RETRY_SECONDS = 0.1
_LARGEST_RECORD = "8388608"


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which cluster, and which incarnation of each topic: a recreated topic has another id."""

    cluster_id: str
    topic_ids: Mapping[str, str]

    def of(self, topic: str) -> str:
        """Tells this topic from all others, also from one of the same name that is made later."""
        return f"{self.cluster_id}/{self.topic_ids[topic]}"


def prepare_topics(kafka_admin: Mapping[str, object], specs: Iterable[TopicSpec], replication: int) -> LogIdentity:
    """Create what is missing, check the rest.

    TopicMismatch if a topic has other partitions or settings than its spec. LogUnavailable if Kafka does not answer for
    a minute: it may be choosing a controller.
    """
    complaints = Complaints()
    admin = AdminClient(complaints.heard_from(kafka_admin))
    wanted = {spec.name: spec for spec in specs}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return _prepared(admin, complaints, wanted, replication)
        except LogUnavailable as error:
            if time.monotonic() > deadline:
                raise
            _LOG.warning("the topics can't be prepared yet: %s", error.detail)
            time.sleep(_RETRY_SECONDS)


def _prepared(
    admin: AdminClient, complaints: Complaints, wanted: Mapping[str, TopicSpec], replication: int
) -> LogIdentity:
    try:
        present = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        missing = [spec for name, spec in wanted.items() if name not in present]
        _create(admin, missing, replication)
        return _checked(admin, wanted)
    except KafkaException as error:
        raise complaints.explained(admin, error) from error
    except TimeoutError as error:  # of a future: a broker that froze may never answer its request
        raise LogUnavailable(f"Kafka has not answered within {_TIMEOUT_SECONDS:g} s.") from error


def _create(admin: AdminClient, specs: list[TopicSpec], replication: int) -> None:
    if not specs:
        return
    topics = [
        NewTopic(
            spec.name,
            num_partitions=spec.partitions,
            replication_factor=replication,
            config={
                **spec.settings,
                "max.message.bytes": _LARGEST_RECORD,
                "min.insync.replicas": str(max(1, replication - 1)),
                "unclean.leader.election.enable": "false",
            },
        )
        for spec in specs
    ]
    for future in admin.create_topics(topics, operation_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result(timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _checked(admin: AdminClient, wanted: Mapping[str, TopicSpec]) -> LogIdentity:
    """A topic that was made a moment ago, by us or by another process, may not be known to the broker yet."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        try:
            return describe_topics(admin, wanted)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


def describe_topics(admin: AdminClient, wanted: Mapping[str, TopicSpec]) -> LogIdentity:
    """What is there. TopicMismatch if it is not as it should be. KafkaException, also for a topic that is missing."""
    _check_settings(admin, wanted)
    return _identity(admin, wanted)


def _check_settings(admin: AdminClient, wanted: Mapping[str, TopicSpec]) -> None:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
    differences = []
    for resource, future in admin.describe_configs(resources, request_timeout=_TIMEOUT_SECONDS).items():
        actual = {name: entry.value for name, entry in future.result(timeout=_TIMEOUT_SECONDS).items()}
        for name, value in wanted[resource.name].settings.items():
            if actual.get(name) != value:
                differences.append(f"  {resource.name}: {name} is {actual.get(name)}, must be {value}")
    if differences:
        raise TopicMismatch(
            "Topics are not as the registry needs them; it would lose events:\n"
            + "\n".join(differences)
            + "\nSet them with kafka-configs.sh --alter, or choose another REGISTRY_ID."
        )


def _identity(admin: AdminClient, wanted: Mapping[str, TopicSpec]) -> LogIdentity:
    described = admin.describe_topics(TopicCollection(list(wanted)), request_timeout=_TIMEOUT_SECONDS)
    ids = {}
    for name, future in described.items():
        topic = future.result(timeout=_TIMEOUT_SECONDS)
        if len(topic.partitions) != wanted[name].partitions:
            raise TopicMismatch(
                f"Topic {name} has {len(topic.partitions)} partitions, must have {wanted[name].partitions}. "
                "The number is fixed for ever when the topic is created: a model's partition depends on it. "
                "Set LOG_PARTITIONS to the number there is, or choose another REGISTRY_ID."
            )
        ids[name] = str(topic.topic_id)
    cluster = admin.describe_cluster(request_timeout=_TIMEOUT_SECONDS).result(timeout=_TIMEOUT_SECONDS)
    return LogIdentity(cluster.cluster_id, ids)
