package network

import (
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

// squid's own format, written after squid.conf ("logformat squid") and the
// example lines of its FAQ.
const squidLog1 = `1319500800.123    456 192.0.2.10 TCP_MISS/200 1234 GET http://www.example.jp/index.html?a=1 sato DIRECT/203.0.113.5 text/html
1319500801.000 180000 192.0.2.10 TCP_MISS/200 4096 CONNECT mail.example.com:443 - DIRECT/203.0.113.9 -
1319500802.500     12 192.0.2.11 TCP_DENIED/407 0 POST http://upload.example.net:8080/put - NONE/- text/html
`

func read(t *testing.T, name, log string, siblings map[string]string, m *artifact.Machine) artifacttest.Result {
	t.Helper()
	src := artifacttest.Source{Path: name, Data: []byte(log), Machine: m, Siblings: map[string][]byte{}}
	for k, v := range siblings {
		src.Siblings[k] = []byte(v)
	}
	if siblings == nil && !Proxy.Loose(name, []byte(log)[:min(len(log), 4096)]) {
		t.Errorf("%s is not taken for a proxy's log", name)
	}
	return artifacttest.Run(t, Proxy, src)
}

func sentReceived(e event.Event) (sent, received int64) {
	sent, received = -1, -1
	if e.BytesSent != nil {
		sent = *e.BytesSent
	}
	if e.BytesReceived != nil {
		received = *e.BytesReceived
	}
	return sent, received
}

// TestSquid: the size of squid's own format is what went to the client; it
// says nothing of what the client sent.
func TestSquid(t *testing.T) {
	r := read(t, "access.log", squidLog1, nil, nil)
	if len(r.Events) != 3 {
		t.Fatal(r.Events, r.Problems)
	}
	e := r.Events[0]
	if e.Ticks.Format(event.Milli) != "2011-10-25T00:00:00.123Z" || e.Host != "www.example.jp" || e.Port != 80 || e.Address != "203.0.113.5" || e.User != "sato" || e.URL != "http://www.example.jp/index.html?a=1" {
		t.Errorf("%+v", e)
	}
	if sent, received := sentReceived(e); sent != -1 || received != 1234 {
		t.Errorf("sent %d, received %d", sent, received)
	}
	if !strings.Contains(e.Message, "bytes sent not recorded") {
		t.Error(e.Message)
	}
	if e := r.Events[1]; e.Host != "mail.example.com" || e.Port != 443 || e.Address != "203.0.113.9" {
		t.Errorf("tunnel: %+v", e)
	}
	if e := r.Events[2]; e.Host != "upload.example.net" || e.Port != 8080 || e.Address != "" {
		t.Errorf("denied: %+v", e)
	}
	if f := r.Facts[0]; f.From.Format(event.Milli) != "2011-10-25T00:00:00.123Z" || f.To.Format(event.Milli) != "2011-10-25T00:00:02.500Z" {
		t.Errorf("coverage %+v", f)
	}
}

// TestSquidFormat: a logformat beside the log, or on its first line, gives the
// bytes that the client sent.
func TestSquidFormat(t *testing.T) {
	const format = "logformat qpc %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt %>st"
	const line = `1319500800.123    456 192.0.2.10 TCP_MISS/200 1234 POST http://up.example.jp/a%20b.php - DIRECT/203.0.113.5 text/html 5678901
`
	for name, r := range map[string]artifacttest.Result{
		"beside": read(t, "p.log", line, map[string]string{"p.log.columns": format}, nil),
		"inside": read(t, "p.log", "#"+format+"\n"+line, nil, nil),
	} {
		e := r.Events[0]
		if sent, received := sentReceived(e); sent != 5678901 || received != 1234 || e.Address != "203.0.113.5" || e.Ticks.Format(event.Milli) != "2011-10-25T00:00:00.123Z" || e.User != "" || e.Port != 80 {
			t.Errorf("%s: %+v, sent %d, received %d", name, e, sent, received)
		}
	}
}

// TestW3C: cs-bytes are of the client, sc-bytes to it; time is GMT.
func TestW3C(t *testing.T) {
	r := read(t, "p.log", `#Software: SGOS 6.5
#Version: 1.0
#Fields: date time time-taken c-ip cs-username sc-status s-action sc-bytes cs-bytes cs-method cs-uri-scheme cs-host cs-uri-port cs-uri-path cs-uri-query cs(User-Agent) s-ip
2011-10-25 00:00:01 82 192.0.2.10 - 200 TCP_NC_MISS 310 90210 POST http up.example.jp 8080 /put ?id=7 "Mozilla/4.0 (compatible; MSIE 8.0)" 192.0.2.1
`, nil, &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}})
	e := r.Events[0]
	if sent, received := sentReceived(e); sent != 90210 || received != 310 || e.URL != "http://up.example.jp:8080/put?id=7" || e.Port != 8080 {
		t.Errorf("%+v, sent %d, received %d", e, sent, received)
	}
	if e.Ticks.Format(event.Second) != "2011-10-25T00:00:01Z" || e.ZoneAssumed {
		t.Errorf("time %v", e.Ticks)
	}
	if json := string(event.AppendFields(nil, e.Fields)); !strings.Contains(json, `"agent":"Mozilla/4.0 (compatible; MSIE 8.0)"`) || !strings.Contains(json, `"s-ip=192.0.2.1"`) {
		t.Error(json)
	}
}

// TestCSV: a header that is known; a zone that is not is assumed and marked.
func TestCSV(t *testing.T) {
	const table = `Timestamp,Client IP,User,Method,URL,Status,Bytes Sent,Bytes Received,bytes_in
"2011-10-25 09:00:01",192.0.2.10,sato,POST,"http://up.example.jp/a,b",200,90210,310,55
`
	tokyo := &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	e := read(t, "p.csv", table, nil, tokyo).Events[0]
	if sent, received := sentReceived(e); sent != 90210 || received != 310 || e.URL != "http://up.example.jp/a,b" {
		t.Errorf("%+v, sent %d, received %d", e, sent, received)
	}
	if e.Ticks.Format(event.Second) != "2011-10-25T00:00:01Z" || !e.ZoneAssumed || e.Zone != "Tokyo Standard Time" {
		t.Errorf("time %v, zone %s", e.Ticks, e.Zone)
	}
	// A map beside it: other names, another zone.
	e = read(t, "gw.txt", "zeit;quelle;ziel;raus\n2011-10-25 09:00:01;192.0.2.10;up.example.jp;7\n",
		map[string]string{"gw.txt.columns": "# our gateway\nzone = +01:00\nzeit = time\nquelle = client\nziel = host\nraus = sent\n"}, tokyo).Events[0]
	if sent, received := sentReceived(e); sent != 7 || received != -1 || e.Host != "up.example.jp" || e.Ticks.Format(event.Second) != "2011-10-25T08:00:01Z" || e.ZoneAssumed {
		t.Errorf("%+v, sent %d, received %d", e, sent, received)
	}
}

// TestAmbiguousColumns: bytes_in and bytes_out mean opposite things on
// different devices and are not taken for either.
func TestAmbiguousColumns(t *testing.T) {
	e := read(t, "p.csv", "time,src,url,bytes_in,bytes_out\n2011-10-25T09:00:01Z,192.0.2.10,http://a.example/,1,2\n", nil, nil).Events[0]
	if sent, received := sentReceived(e); sent != -1 || received != -1 {
		t.Errorf("sent %d, received %d", sent, received)
	}
	if json := string(event.AppendFields(nil, e.Fields)); !strings.Contains(json, `["bytes_in=1","bytes_out=2"]`) {
		t.Error(json)
	}
}

func TestCommon(t *testing.T) {
	e := read(t, "p.log", `192.0.2.10 - sato [25/Oct/2011:09:00:01 +0900] "GET http://www.example.jp/ HTTP/1.1" 200 310 "-" "Mozilla/4.0"
`, nil, nil).Events[0]
	if e.Ticks.Format(event.Second) != "2011-10-25T00:00:01Z" || e.Zone != "+09:00" || e.User != "sato" || e.Host != "www.example.jp" {
		t.Errorf("%+v", e)
	}
}

// TestNotAProxy: logs of web servers and other tables are left alone.
func TestNotAProxy(t *testing.T) {
	for name, head := range map[string]string{
		"web server": `170.238.36.21 - - [29/Dec/2019:00:09:47 +1000] "GET / HTTP/1.0" 401 691 "-" "masscan/1.0"` + "\n",
		"IIS":        "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status\n",
		"firewall":   "#Version: 1.5\n#Fields: date time action protocol src-ip dst-ip src-port dst-port size\n",
		"table":      "name,size,date\na,1,2011-10-25\n",
		"text":       "hello, world\n",
		"binary":     "\x00\x01\x02\x03",
	} {
		if Proxy.Loose("x.log", []byte(head)) {
			t.Errorf("%s is taken for a proxy's log", name)
		}
	}
}

// TestBadLines: one problem for each kind of trouble, and every line counted.
func TestBadLines(t *testing.T) {
	log := squidLog1 + strings.Repeat("nonsense\n", 1000) + "x 1 2 3/4 5 GET u - a/b -\n"
	r := artifacttest.Read(Proxy, artifacttest.Source{Path: "access.log", Data: []byte(log)})
	if len(r.Events) != 3 || r.Counts.Declared != 1004 || r.Counts.Failed != 1001 || len(r.Problems) != 2 {
		t.Errorf("%d events, %+v, %v", len(r.Events), r.Counts, r.Problems)
	}
}

func FuzzProxy(f *testing.F) {
	f.Add([]byte(squidLog1))
	f.Add([]byte("#Fields: date time c-ip cs-host cs-uri-scheme\n2011-10-25 00:00:01 1 b http\n"))
	f.Add([]byte("time,src,url\n2011-10-25T09:00:01Z,192.0.2.10,http://a.example/\n"))
	f.Add([]byte("#logformat x %ts %>a %ru\n1319500800 a b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := artifacttest.Read(Proxy, artifacttest.Source{Path: "access.log", Data: b}); !r.Counts.Reconciles() {
			t.Errorf("%+v", r.Counts)
		}
	})
}

func BenchmarkProxy(b *testing.B) {
	log := []byte(strings.Repeat(squidLog1, 1000))
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		artifacttest.Read(Proxy, artifacttest.Source{Path: "access.log", Data: log})
	}
}
