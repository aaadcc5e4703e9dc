"""After step 7: what people are told of a record, whom, and when. Pure; the channels are behind `ports.Channel`."""
