package device

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
)

// tree makes a system of files (name, text) and links (name, target).
func tree(t *testing.T, files, links map[string]string) system {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("sysfs has names with colons and links")
	}
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(filepath.Dir(p), filepath.Join(root, target))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(rel, p); err != nil {
			t.Fatal(err)
		}
	}
	return system{root}
}

const (
	sda = "sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda"
	sdb = "sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
	dm0 = "sys/devices/virtual/block/dm-0"
	lo0 = "sys/devices/virtual/block/loop0"
	nvm = "sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1"
)

// machine has an ATA disk with two partitions, the second under a logical
// volume, a stick with one partition, an NVMe disk, and a loop device over a
// file.
func machine(t *testing.T) system {
	return tree(t, map[string]string{
		sda + "/dev": "8:0\n", sda + "/removable": "0\n", sda + "/queue/rotational": "1\n",
		sda + "/device/vendor": "ATA     \n", sda + "/device/model": "WDC WD10JPVX-22J\n", sda + "/device/rev": "1A01\n",
		sda + "/device/wwid":     "naa.50014ee65a001234\n",
		sda + "/device/vpd_pg80": "\x00\x80\x00\x14        WD-WX11A2345",
		sda + "/sda1/dev":        "8:1\n", sda + "/sda1/partition": "1\n",
		sda + "/sda2/dev": "8:2\n", sda + "/sda2/partition": "2\n",
		sdb + "/dev": "8:16\n", sdb + "/removable": "1\n", sdb + "/device/vendor": "SanDisk \n", sdb + "/device/model": "Ultra USB 3.0   \n",
		sdb + "/sdb1/dev": "8:17\n", sdb + "/sdb1/partition": "1\n",
		dm0 + "/dev": "254:0\n",
		lo0 + "/dev": "7:0\n", lo0 + "/loop/backing_file": "/media/stick/disk.raw\n",
		nvm + "/dev": "259:0\n", nvm + "/device/model": "Samsung SSD 980 1TB                     \n",
		nvm + "/device/serial": "S649NX0R123456      \n", nvm + "/device/firmware_rev": "1B4QFXO7\n", nvm + "/wwid": "eui.002538d1314159\n",
		nvm + "/queue/rotational": "0\n",
		"run/udev/data/b8:16":     "S:disk/by-id/usb-SanDisk\nW:12\nE:ID_SERIAL=SanDisk_Ultra_USB_3.0_4C530001\nE:ID_SERIAL_SHORT=4C530001\nE:ID_REVISION=1.00\nE:ID_BUS=usb\nG:systemd\n",
		"proc/self/mountinfo": "22 27 0:21 / /proc rw,relatime - proc proc rw\n" +
			"27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n" +
			"28 27 8:1 / /boot ro,relatime shared:2 - ext4 /dev/sda1 ro\n" +
			"29 27 8:17 / /media/my\\040stick rw,nosuid shared:3 master:1 - vfat /dev/sdb1 rw,fmask=0022\n" +
			"30 27 0:40 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home\n" +
			"a line that is none\n",
		"proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-0                               partition\t8388604\t0\t-2\n/swap\\040file file 1 0 -2\n",
	}, map[string]string{
		"sys/dev/block/8:0": sda, "sys/dev/block/8:1": sda + "/sda1", "sys/dev/block/8:2": sda + "/sda2",
		"sys/dev/block/8:16": sdb, "sys/dev/block/8:17": sdb + "/sdb1", "sys/dev/block/254:0": dm0, "sys/dev/block/7:0": lo0,
		"sys/dev/block/259:0": nvm, "sys/block/loop0": lo0,
		sda + "/sda2/holders/dm-0": dm0, dm0 + "/slaves/sda2": sda + "/sda2",
	})
}

func node(name string) (devno, bool) {
	d, ok := map[string]devno{"/dev/sda1": {8, 1}, "/dev/sda2": {8, 2}, "/dev/sdb1": {8, 17}, "/dev/dm-0": {254, 0},
		"/dev/mapper/vg-root": {254, 0}, "/media/stick/disk.raw": {8, 17}}[name]
	return d, ok
}

func TestDescribe(t *testing.T) {
	s := machine(t)
	yes, no := true, false
	for _, c := range []struct {
		dev  devno
		want Info
	}{
		{devno{8, 0}, Info{Kind: Disk, Model: "WDC WD10JPVX-22J", Vendor: "ATA", Firmware: "1A01", Serial: "WD-WX11A2345",
			WWN: "naa.50014ee65a001234", Bus: "ata", Rotational: &yes, Removable: &no}},
		{devno{8, 17}, Info{Kind: Partition, Parent: "sdb", Model: "Ultra USB 3.0", Vendor: "SanDisk", Firmware: "1.00", Serial: "4C530001",
			Bus: "usb", Removable: &yes}},
		{devno{259, 0}, Info{Kind: Disk, Model: "Samsung SSD 980 1TB", Firmware: "1B4QFXO7", Serial: "S649NX0R123456",
			WWN: "eui.002538d1314159", Bus: "nvme", Rotational: &no}},
		{devno{7, 0}, Info{Kind: Disk, Bus: "loop", Notes: []string{"a loop device over /media/stick/disk.raw"}}},
		{devno{9, 9}, Info{Kind: Disk, Notes: []string{"sysfs does not know the device 9:9"}}},
	} {
		got := Info{Kind: Disk}
		s.describe(c.dev, &got)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v:\ngot  %+v\nwant %+v", c.dev, got, c.want)
		}
	}
}

func TestMounts(t *testing.T) {
	s := machine(t)
	for _, c := range []struct {
		dev  devno
		want []Mount
	}{
		{devno{8, 0}, []Mount{{"dm-0", "/", "ext4", true}, {"sda1", "/boot", "ext4", false}, {"sda2", "/home", "btrfs", true}, {"dm-0", "swap", "swap", true}}},
		{devno{8, 2}, []Mount{{"dm-0", "/", "ext4", true}, {"sda2", "/home", "btrfs", true}, {"dm-0", "swap", "swap", true}}},
		{devno{8, 1}, []Mount{{"sda1", "/boot", "ext4", false}}},
		{devno{8, 16}, []Mount{{"sdb1", "/media/my stick", "vfat", true}}},
		{devno{259, 0}, nil},
	} {
		got, err := s.mounts(s.family(c.dev), node)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v:\ngot  %+v, %v\nwant %+v", c.dev, got, err, c.want)
		}
	}
}

// A loop device over a file belongs to the file.
func TestLoopOverFile(t *testing.T) {
	got := map[devno]string{}
	machine(t).growLoops(got, "/media/stick/disk.raw")
	if want := map[devno]string{{7, 0}: "loop0"}; !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestBelow(t *testing.T) {
	s := machine(t)
	got, _ := s.below(devno{254, 0}, node)
	if want := map[devno]bool{{254, 0}: true, {8, 2}: true, {8, 0}: true}; !maps.Equal(got, want) {
		t.Errorf("under the logical volume: %v", got)
	}
	got, files := s.below(devno{7, 0}, node)
	if want := map[devno]bool{{7, 0}: true, {8, 17}: true, {8, 16}: true}; !maps.Equal(got, want) || !slices.Equal(files, []string{"/media/stick/disk.raw"}) {
		t.Errorf("under the loop device: %v, %v", got, files)
	}
}

func TestParseLines(t *testing.T) {
	got := parseMountinfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
		"37 35 98:1 / /x ro - ext4 /dev/sdz rw\n38 35 98:2 / /y rw - ext4 /dev/sdy ro,norecovery\n39 35 x:y / / rw - a b c\n40 35 1:2 / / rw\n")
	want := []mountLine{
		{devno{98, 0}, "/mnt1", "/mnt2", "ext3", "/dev/root", true},
		{devno{98, 1}, "/", "/x", "ext4", "/dev/sdz", false},
		{devno{98, 2}, "/", "/y", "ext4", "/dev/sdy", false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if s := unescape(`a\040b\011c\134d\04`); s != "a b\tc\\d\\04" {
		t.Errorf("unescape: %q", s)
	}
	if got := parseSwaps("Filename Type Size Used Priority\n/dev/zram0 partition 8 0 100\n/a\\040b file 1 0 -2\n"); !slices.Equal(got, []string{"/dev/zram0", "/a b"}) {
		t.Errorf("%q", got)
	}
}
