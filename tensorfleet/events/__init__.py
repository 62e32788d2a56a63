"""Events on the wire: the envelope, its Avro codec, the schema catalogue and the topics."""
