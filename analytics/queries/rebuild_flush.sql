-- What is on its way into the events by way of memory.
OPTIMIZE TABLE events_buffer
