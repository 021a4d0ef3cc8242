"""The experiments on what the lab has only when it is asked for: a standby of its server, a Kafka broker."""

from catalog_files import each_experiment_of
from catalog_runs import passes


@each_experiment_of("datastores")
def test_the_resilient_service_passes(lab, tmp_path, file):
    report = passes(file, tmp_path)
    if file.stem == "consumer-lag":
        assert report["figures"]["lag_peak"]["value"] >= 150
