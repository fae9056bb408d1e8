"""The engine: the only code that writes the catalogue.

``runs``       open, finish, cancel and replay a run
``lookups``    one thing, now, at each provider that knows it
``following``  which scopes every run follows, by the thousand
``fetches``    the ledger of requests: claim, close, postpone, repair, and what is kept ready
``budget``     how much a provider may be asked
``circuit``    whether it is asked at all
``asking``     by which client, and once, outside of a run
``tallies``    what of a run under way is added up already
``tokens``     the token that a provider's credential was exchanged for, one for all workers
``workers``    which workers are alive, whose leases are good
``work``       the way of one fetch, from row to catalogue: start reading here
``apply``      one page, one transaction
``checks``     when each page is asked again, and what a run learnt of that
``pages``      what is known of a page before it is asked for
``sources``    which records are new, changed or as they were; writes them down
``linking``    which artist, release, recording and track a record speaks of (``matching`` decides, pure)
``catalogue``  the canonical row of each, made of all that is said of it (``merging`` decides, pure)
``drift``      a page that holds far less than such pages did is held (``profiles`` decides, pure)
``limits``     what is too long to be kept
``leader``     who of several processes acts
``removal``    what no page mentions any more
``sql``        set-based reading and writing
"""
