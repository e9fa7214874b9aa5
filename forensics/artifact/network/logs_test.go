package network

import (
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const firewallLog = `#Version: 1.5
#Software: Microsoft Windows Firewall
#Time Format: Local
#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path

2011-10-25 09:00:01 ALLOW TCP 192.0.2.10 203.0.113.5 1606 443 0 - 0 0 0 - - - SEND
2011-10-25 09:00:02 DROP UDP 198.51.100.7 192.0.2.10 137 137 78 - - - - - - - RECEIVE
2011-10-25 09:00:03 INFO-EVENTS-LOST - - - - - - - - - - - - 59 -
`

func TestFirewall(t *testing.T) {
	tokyo := &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	r := artifacttest.Run(t, Firewall, artifacttest.Source{Path: "Windows/System32/LogFiles/Firewall/pfirewall.log", Data: []byte(firewallLog), Machine: tokyo})
	want := strings.Join([]string{
		"2011-10-25T00:00:01Z  connection allowed  connected  connection allowed: TCP to 203.0.113.5 (192.0.2.10:1606 to 203.0.113.5:443)",
		"2011-10-25T00:00:02Z  packet dropped  other  packet dropped: UDP from 198.51.100.7 (198.51.100.7:137 to 192.0.2.10:137)",
		"2011-10-25T00:00:03Z  events lost  other  the firewall's log lost 59 events", ""}, "\n")
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if e := r.Events[0]; e.Address != "203.0.113.5" || e.Port != 443 || e.BytesSent != nil || e.Clock != event.LocalTime {
		t.Errorf("%+v", e)
	}
	if r.Facts[0].Gaps != 59 {
		t.Errorf("%+v", r.Facts)
	}
	if !Firewall.Loose("x", []byte(firewallLog)) || Proxy.Loose("x", []byte(firewallLog)) {
		t.Error("whose log is it")
	}
}

// TestFirewallCorpus: 15 entries (plaso), UTC where the header says so.
func TestFirewallCorpus(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/textlog/log2timeline+plaso/windows_firewall.log"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, Firewall, artifacttest.Source{Path: "WINDOWS/pfirewall.log", Data: b})
	if e := r.Events[7]; r.Counts.Decoded != 15 || e.Ticks.Format(event.Second) != "2005-04-11T08:06:26Z" || e.Address != "123.45.78.90" || e.Port != 1774 {
		t.Errorf("%+v %+v", r.Counts, e)
	}
}

func TestHosts(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/textlog/Velocidex+velociraptor/hosts"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Read(Hosts, artifacttest.Source{Path: "Windows/System32/drivers/etc/hosts", Data: b, Times: artifact.FileTimes{Modified: 129600000000000000}})
	var got []string
	for _, e := range r.Events {
		if !e.Fact || e.From != 129600000000000000 {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Host+"="+e.Address)
	}
	if s := strings.Join(got, " "); s != "test.com=127.0.0.1 test2.com=127.0.0.2 standardcomment.com=127.0.3.3 second.com=127.0.3.4 standardcomment2.com=127.0.3.4 evil.com=8.8.8.8" {
		t.Error(s)
	}
	artifacttest.Run(t, Hosts, artifacttest.Source{Path: "hosts", Data: []byte("127.0.0.1 localhost\r\n203.0.113.5 update.example.jp # x\r\n")})
}

func TestRemote(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/textlog/Velocidex+velociraptor/Connection_incoming.txt"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, Remote, artifacttest.Source{Path: "Program Files/TeamViewer/Connections_incoming.txt", Data: b})
	if e := r.Events[0]; r.Counts.Decoded != 2 || len(r.Events) != 4 || e.Ticks.Format(event.Second) != "2020-08-05T13:36:21Z" || e.Host != "Machine1" || e.User != "yolo" ||
		e.Message != "TeamViewer: RemoteControl session began, from 248257009 Machine1" {
		t.Errorf("%+v", r.Events)
	}
}

func FuzzLogs(f *testing.F) {
	f.Add([]byte(firewallLog))
	f.Add([]byte("127.0.0.1 localhost\n"))
	f.Add([]byte("248257009\tMachine1\t05-08-2020 13:36:21\t05-08-2020 13:38:33\tyolo\tRemoteControl\t{e}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []artifact.Spec{Firewall, Hosts, Remote} {
			if r := artifacttest.Read(s, artifacttest.Source{Path: "x_incoming.txt", Data: b}); !r.Counts.Reconciles() {
				t.Errorf("%s: %+v", s.Name, r.Counts)
			}
		}
	})
}
