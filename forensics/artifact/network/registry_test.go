package network

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const hiveTime = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func hiveLines(t *testing.T, events []event.Event, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNetworkList(t *testing.T) {
	const list = `Microsoft\Windows NT\CurrentVersion\NetworkList\`
	// 2011-09-06, a Tuesday, 09:31:07.184 local time
	local := []byte{0xDB, 0x07, 9, 0, 2, 0, 6, 0, 9, 0, 31, 0, 7, 0, 184, 0}
	data := hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path(list+`Profiles\{AB}`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("ProfileName", "office"), hivefile.DWord("NameType", 71), hivefile.Bin("DateCreated", local), hivefile.Bin("DateLastConnected", make([]byte, 16))}}),
		hivefile.Path(list+`Signatures\Unmanaged\0101`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("ProfileGuid", "{ab}"), hivefile.Bin("DefaultGatewayMac", []byte{1, 2, 3, 4, 5, 0xAF})}}),
	)})
	tokyo := &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	r := artifacttest.Run(t, NetworkList, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: data, Machine: tokyo})
	hiveLines(t, r.Events, `2011-09-06T00:31:07.184Z  network first joined  connected  network joined for the first time: office`)
	e := r.Events[0]
	if e.Clock != event.LocalTime || e.Zone != "Tokyo Standard Time" || e.ZoneAssumed || e.Device != "01:02:03:04:05:af" {
		t.Errorf("%+v", e)
	}
	r = artifacttest.Read(NetworkList, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: data})
	if e := r.Events[0]; e.Ticks.Format(event.Second) != "2011-09-06T09:31:07Z" || !e.ZoneAssumed {
		t.Errorf("without a zone: %+v", e)
	}
}

func TestInterfaces(t *testing.T) {
	data := hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path("Select", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
		hivefile.Path(`ControlSet001\Services\Tcpip\Parameters\Interfaces\{A}`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.DWord("EnableDHCP", 1), hivefile.SZ("DhcpIPAddress", "10.0.0.5"), hivefile.SZ("DhcpServer", "10.0.0.1"), hivefile.DWord("LeaseObtainedTime", 1315269067)}}),
		hivefile.Path(`ControlSet001\Services\Tcpip\Parameters\Interfaces\{B}`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Multi("IPAddress", "192.168.1.9")}}),
		hivefile.Path(`ControlSet001\Services\Tcpip\Parameters\Interfaces\{C}`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("DhcpIPAddress", "0.0.0.0")}}),
	)})
	r := artifacttest.Run(t, Interfaces, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: data})
	hiveLines(t, r.Events,
		`2011-09-06T00:31:07Z  address leased  connected  address 10.0.0.5 leased from 10.0.0.1`,
		`  address set  configured  address set: 192.168.1.9`)
}

func TestClients(t *testing.T) {
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\Microsoft\Terminal Server Client\Default`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("MRU0", "srv01"), hivefile.SZ("MRU1", "srv02")}}),
		hivefile.Path(`Software\SimonTatham\PuTTY\SshHostKeys`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("rsa2@22:203.0.113.7", "0x23,0x00")}}),
	)})
	r := artifacttest.Run(t, Clients, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	hiveLines(t, r.Events,
		`2011-09-06T00:31:07.1845678Z  address of a remote desktop  configured  sato: address of a remote desktop: srv01`,
		`  address of a remote desktop  configured  sato: address of a remote desktop: srv02`,
		`  host key accepted  connected  sato: host key accepted: 203.0.113.7`)
}

func TestClientsCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/mkorman90+regipy/NTUSER_with_winscp.DAT"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range artifacttest.Read(Clients, artifacttest.Source{Path: "Users/tony/NTUSER.DAT", Data: data}).Events {
		if e.Meaning == "session saved" && e.Fields[0].Text() == "WinSCP" {
			n++
		}
	}
	if n != 1 { // of the two keys that reglookup shows, the defaults have no host
		t.Errorf("%d sessions of WinSCP", n)
	}
}
