// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/product.hpp"

#include <numeric>

namespace smmu::model::rcar {
namespace {

std::vector<unsigned> numbers(unsigned first, unsigned count) {
    std::vector<unsigned> all(count);
    std::iota(all.begin(), all.end(), first);
    return all;
}

// What the cuts of H3 share. USB stands for masters that no public list names.
std::vector<MasterFacts> h3_masters() {
    return {{"dmac0", 0xe6700000, "ds0", numbers(0, 16), "renesas,dmac-r8a7795"},
            {"dmac1", 0xe7300000, "ds1", numbers(0, 16), "renesas,dmac-r8a7795"},
            {"avb", 0xe6800000, "ds0", {16}, "renesas,etheravb-r8a7795"},
            {"sdhi0", 0xee100000, "ds1", {32}, "renesas,sdhi-r8a7795"},
            {"sdhi1", 0xee120000, "ds1", {33}, "renesas,sdhi-r8a7795"},
            {"sdhi2", 0xee140000, "ds1", {34}, "renesas,sdhi-r8a7795"},
            {"sdhi3", 0xee160000, "ds1", {35}, "renesas,sdhi-r8a7795"},
            {"sata", 0xee300000, "hc", {2}, "renesas,sata-r8a7795"},
            {"pcie0", 0xfe000000, "hc", {0}, "renesas,pcie-r8a7795"},
            {"pcie1", 0xee800000, "hc", {1}, "renesas,pcie-r8a7795"},
            {"fcpf0", 0xfe950000, "vp0", {0}, "renesas,fcpf"},
            {"fcpvd0", 0xfea27000, "vi0", {8}, "renesas,fcpv"},
            {"vin0", 0xe6ef0000, "vi0", {0}, ""},
            {"vin1", 0xe6ef1000, "vi0", {0}, ""},
            {"usb", 0xee000000, "hc", {5}, ""}};
}

Product h3_first() {
    Product h3;
    h3.name = "h3-es1";
    h3.soc = "r8a7795";
    h3.prr = 0x4f01;
    h3.main_base = 0xe67b0000;
    h3.main_bit = 13;
    h3.interrupt = 196;
    h3.units = {{"ds0", 0xe6740000, 0, 24},
                {"ds1", 0xe7740000, 1, 40},
                {"hc", 0xe6570000, 2},
                {"ir", 0xff8b0000, 3, 8, Domain::a3ir},
                {"mp0", 0xec670000, 4},
                {"mp1", 0xec680000, 5, 32},
                {"pv0", 0xfd800000, 6},
                {"rt", 0xffc80000, 7},
                {"sy", 0xe7730000, 8},
                {"vc0", 0xfe6b0000, 9, 8, Domain::a3vc},
                {"vc1", 0xfe6f0000, 10, 8, Domain::a3vc},
                {"vi0", 0xfebd0000, 11, 16},
                {"vp0", 0xfe990000, 12, 16, Domain::a3vp}};
    h3.masters = h3_masters();
    h3.masters.push_back({"audio0", 0xec700000, "mp1", numbers(0, 16), "renesas,dmac-r8a7795"});
    h3.masters.push_back({"fcpf1", 0xfe951000, "vp0", {1}, "renesas,fcpf"});
    return h3;
}

Product h3_later(bool third) {
    Product h3;
    h3.name = third ? "h3-es3" : "h3-es2";
    h3.soc = "r8a7795";
    h3.main_base = 0xe67b0000;
    h3.main_bit = 18;
    h3.prr = third ? 0x4f20 : 0x4f10;
    h3.has_wide_formats = third;
    h3.has_stale_caches = !third;
    h3.interrupt = 196;
    const bool off = !third;
    h3.units = {{"ds0", 0xe6740000, 0, 24, Domain::always_on, off},
                {"ds1", 0xe7740000, 1, 40, Domain::always_on, off},
                {"hc", 0xe6570000, 2, 8, Domain::always_on, off},
                {"ir", 0xff8b0000, 3, 8, Domain::a3ir},
                {"mp0", 0xec670000, 4, 32, Domain::always_on, off},
                {"pv0", 0xfd800000, 6, 8, Domain::always_on, off},
                {"pv1", 0xfd950000, 7, 8, Domain::always_on, off},
                {"pv2", 0xfd960000, 8, 8, Domain::always_on, off},
                {"pv3", 0xfd970000, 9, 8, Domain::always_on, off},
                {"rt", 0xffc80000, 10, 8, Domain::always_on, off},
                {"vc0", 0xfe6b0000, 12, 16, Domain::a3vc},
                {"vc1", 0xfe6f0000, 13, 16, Domain::a3vc},
                {"vi0", 0xfebd0000, 14, 16, Domain::always_on, off},
                {"vi1", 0xfebe0000, 15, 16, Domain::always_on, off},
                {"vp0", 0xfe990000, 16, 16, Domain::a3vp},
                {"vp1", 0xfe980000, 17, 16, Domain::a3vp}};
    h3.masters = h3_masters();
    h3.masters.push_back({"audio0", 0xec700000, "mp0", numbers(0, 16), "renesas,dmac-r8a7795"});
    h3.masters.push_back({"fcpf1", 0xfe951000, "vp1", {1}, "renesas,fcpf"});
    return h3;
}

// No bits of IMSSTR are public, and no domain here can be switched.
Product v4h() {
    Product v4h;
    v4h.name = "v4h";
    v4h.soc = "r8a779g0";
    v4h.prr = 0x5c00;
    v4h.generation = 4;
    v4h.contexts = 16;
    v4h.has_wide_formats = true;
    v4h.main_base = 0xeefc0000;
    v4h.interrupt = 210;
    v4h.units = {{"rt0", 0xee480000, {}},  {"rt1", 0xee4c0000, {}}, {"ds0", 0xeed00000, {}, 40},
                 {"hc", 0xeed40000, {}},   {"ir", 0xeed80000, {}},  {"vc", 0xeedc0000, {}},
                 {"3dg", 0xeee00000, {}},  {"vi0", 0xeee80000, {}}, {"vi1", 0xeeec0000, {}, 32},
                 {"vip0", 0xeef00000, {}}, {"vip1", 0xeef40000, {}}};
    v4h.masters = {{"dmac0", 0xe7350000, "ds0", numbers(0, 16), "renesas,dmac-r8a779g0"},
                   {"mmc0", 0xee140000, "ds0", {32}, "renesas,sdhi-r8a779g0"},
                   {"avb0", 0xe6800000, "hc", {0}, "renesas,etheravb-r8a779g0"},
                   {"avb1", 0xe6810000, "hc", {1}, "renesas,etheravb-r8a779g0"},
                   {"fcpvd0", 0xfea10000, "vi1", {6}, "renesas,fcpv"},
                   {"usb", 0xee000000, "hc", {5}, ""}};
    return v4h;
}

}  // namespace

std::optional<Product> product(std::string_view name) {
    if (name == "h3-es1") return h3_first();
    if (name == "h3-es2" || name == "h3-es3") return h3_later(name == "h3-es3");
    if (name == "v4h") return v4h();
    return std::nullopt;
}

}  // namespace smmu::model::rcar
