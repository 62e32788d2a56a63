"""Whether the read models were built from the log that is there: a swapped one must not take commands."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from tensorfleet.domain.errors import LogLost
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topics import LogIdentity
from tensorfleet.mongo.live_generation import LiveGeneration

_LOG = logging.getLogger(__name__)


async def require_same_log(live: LiveGeneration, topics: Topics, identity: LogIdentity) -> None:
    """LogLost if a checkpoint names another cluster or another incarnation of a topic.

    While MongoDB does not answer nothing can be compared; the projector compares again before it writes.
    """
    names = {"log": topics.log, "downloads": topics.downloads}
    try:
        found = await live.read(lambda database: database.checkpoints.find().to_list(None))
    except PyMongoError as error:
        _LOG.warning("the log is not compared with the read models, for MongoDB does not answer: %s", error)
        return
    for one in found:
        name = names[one["_id"].partition(":")[0]]
        if (one["cluster_id"], one["topic_id"]) != (identity.cluster_id, identity.topic_ids[name]):
            raise LogLost(
                f"The read models were built from another {name}: cluster {one['cluster_id']}, topic id "
                f"{one['topic_id']}; here are {identity.cluster_id} and {identity.topic_ids[name]}. Nothing was "
                "changed. If the log was restored from a backup, `tensorfleet adopt-log`; else restore it, or use "
                "another MONGODB_DB."
            )
