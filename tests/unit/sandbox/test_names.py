"""Service names outside the cluster: who answers for them, and what travels on."""

import pytest

from llmdctl.sandbox.names import Unresolved, choices, forwarded, split


@pytest.mark.parametrize("host", ["p.mon", "p.mon.svc", "p.mon.svc.cluster.local"])
def test_a_service_has_three_names(host):
    assert split(host) == ("mon", "p")


@pytest.mark.parametrize("host", ["example.com.org", "localhost", "10.0.0.1", "a.b.c.svc", ".svc"])
def test_other_names_are_refused_as_a_resolver_would(host):
    with pytest.raises(Unresolved, match="no such host"):
        split(host)


def service(**spec):
    return {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}]} | spec}


def pod(ip, ready="True"):
    return {
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }


def test_ready_pods_answer_for_a_service_at_their_own_port():
    pods = [pod("127.2.0.1"), pod("127.2.0.2", ready="False"), pod("127.2.0.3")]
    found = choices(service(selector={"app": "x"}), None, pods, 80)
    assert found == [("127.2.0.1", 8080), ("127.2.0.3", 8080)]


def test_an_external_name_leads_to_its_target_port():
    ports = [{"port": 9090, "targetPort": 23456}]
    external = service(type="ExternalName", externalName="localhost", ports=ports)
    assert choices(external, None, [], 9090) == [("localhost", 23456)]


def test_endpoints_that_were_written_down_answer_without_a_selector():
    subset = {"addresses": [{"ip": "172.31.255.1"}], "ports": [{"name": "web", "port": 5}, {"name": "x", "port": 6}]}
    assert choices(service(), {"subsets": [subset]}, [], 80) == [("172.31.255.1", 5)]
    assert choices(service(), None, [], 80) == []


def test_a_port_that_a_service_does_not_have_is_refused():
    with pytest.raises(Unresolved, match="no port 81"):
        choices(service(), None, [], 81)


def test_a_request_is_sent_on_in_origin_form_and_once():
    head = b"GET http://p.mon.svc:9090/api?q=1 HTTP/1.1\r\nHost: p.mon.svc:9090\r\nProxy-Connection: keep-alive\r\n\r\n"
    host, port, sent = forwarded(head)
    assert (host, port) == ("p.mon.svc", 9090)
    assert sent == b"GET /api?q=1 HTTP/1.1\r\nHost: p.mon.svc:9090\r\nConnection: close\r\n\r\n"
    assert forwarded(b"GET http://p.mon HTTP/1.1\r\n\r\n")[1:] == (80, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_a_tunnel_belongs_to_its_ends():
    assert forwarded(b"CONNECT p.mon.svc:443 HTTP/1.1\r\nHost: x\r\n\r\n") == ("p.mon.svc", 443, b"")


@pytest.mark.parametrize(
    "head", [b"GET /path HTTP/1.1\r\n\r\n", b"GET https://x/ HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"]
)
def test_what_is_no_request_to_a_proxy_is_refused(head):
    with pytest.raises(ValueError, match=r"."):
        forwarded(head)
