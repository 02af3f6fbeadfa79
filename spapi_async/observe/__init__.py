"""Monitoring: metrics, traces and logs, each a plain observer of an application.

::

    from spapi_async.observe.prometheus import Metrics

    metrics = Metrics()
    app = Application(client_id, client_secret, observers=[metrics])
    metrics.watch(app)                                     # the tokens in its buckets, at each scrape
    await sync_orders(sellers, database, progress=metrics.progress)

``opentelemetry`` (extra ``otel``) has ``Telemetry`` with the same methods; ``logs`` has ``Logs`` for standard logging.
By default no label has a value for each seller.
"""
