"""What holds for every test: properties are judged by what they say, never by how fast this machine was just then."""

from hypothesis import HealthCheck, settings

settings.register_profile("perptape", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("perptape")
