// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/unit.hpp"

#include <fmt/format.h>

namespace smmu::model::mmu500 {
namespace {

constexpr std::uint32_t wnr = 1u << 1, pnu = 1u << 2;  // of sGFSYNR0
constexpr std::uint32_t forced = 7u << 13;             // FB and BSU of sCR0: broadcasts

}  // namespace

Unit::Unit(const Features& features, const Behaviour& behaviour, const Memory& memory,
           Complaints& complaints, const std::string& name)
    : features_(features),
      behaviour_(behaviour),
      complain_(complaints, name),
      view_(memory, !features.coherent && behaviour.sees_cleaning, false),
      streams_(features_, behaviour_, complain_),
      contexts_(features_, behaviour_, view_, tlb_, complain_),
      sacr_(sacr::cache_lock) {
    contexts_.set_cache_locked(true);
    if (behaviour.live) scr0_ = 0;
    if (behaviour.undefined_reset) sgfsr_ = sgfsr::usf;
}

Unit::Place Unit::place(std::uint64_t offset) const {
    const auto page = unsigned(offset >> features_.page_log2());
    const auto inside = unsigned(offset & ((1u << features_.page_log2()) - 1));
    if (page < features_.pages()) return {page, inside, std::nullopt};
    return {page, inside, page - features_.pages()};
}

std::uint64_t Unit::read(std::uint64_t offset, unsigned bytes) {
    if (bytes < 4) {
        complain_(fmt::format("a reading of {} bytes at {:#x}", bytes, offset));
        return 0;
    }
    Place at = place(offset);
    const std::uint64_t low = read32(at);
    if (bytes == 4) return low;
    at.offset += 4;
    return behaviour_.no_wide_access ? low : low | std::uint64_t{read32(at)} << 32;
}

std::uint32_t Unit::read32(const Place& at) {
    if (at.bank) {
        if (*at.bank < features_.banks) return contexts_.read(*at.bank, at.offset);
        complain_(fmt::format("a reading of bank {}, which is not there", *at.bank));
        return 0;
    }
    if (at.page == 0) return read_global(at.offset);
    return at.page == 1 ? contexts_.read_global(at.offset) : 0;
}

void Unit::write(std::uint64_t offset, unsigned bytes, std::uint64_t value) {
    if (bytes < 4) return complain_(fmt::format("a write of {} bytes at {:#x}", bytes, offset));
    const Place at = place(offset);
    if (bytes == 8 && behaviour_.no_wide_access) {
        complain_(fmt::format("a 64-bit write at {:#x} of a unit that takes 32 bits", offset));
        bytes = 4;
    }
    if (bytes == 8 && (!at.bank || !Contexts::is_wide(at.offset)))
        complain_(fmt::format("a 64-bit write to the 32-bit register at {:#x}", offset));
    if (at.bank) return write_bank(*at.bank, at.offset, bytes, value);
    write32(at, std::uint32_t(value));
}

void Unit::write32(const Place& at, std::uint32_t value) {
    if (at.page == 0) return write_global(at.offset, value);
    if (at.page == 1) return contexts_.write_global(at.offset, value);
    complain_(fmt::format("a write of {:#x} to global page {}", value, at.page));
}

void Unit::write_bank(unsigned bank, unsigned offset, unsigned bytes, std::uint64_t value) {
    if (bank >= features_.banks)
        return complain_(fmt::format("a write to bank {}, which is not there", bank));
    if (offset == cb::sctlr && (value & sctlr::m) == 0 &&
        (contexts_.read(bank, cb::sctlr) & sctlr::m) != 0 && translates() && streams_.lead_to(bank))
        complain_(fmt::format("bank {} stops translating while streams lead to it", bank));
    if (bytes == 8)
        contexts_.write_wide(bank, offset, value);
    else
        contexts_.write(bank, offset, std::uint32_t(value));
}

std::uint32_t Unit::read_global(unsigned offset) {
    if (offset >= gr0::smr && offset < gr0::ids) {
        const unsigned index = offset % 0x400 / 4;
        if (index >= features_.streams()) return 0;
        return offset < gr0::s2cr ? streams_.read_smr(index) : streams_.read_s2cr(index);
    }
    switch (offset) {
        case gr0::scr0:
            return scr0_;
        case gr0::scr2:
            return scr2_;
        case gr0::sacr:
            return sacr_;
        case gr0::idr0:
            return features_.idr0();
        case gr0::idr0 + 4:
            return features_.idr1();
        case gr0::idr0 + 8:
            return features_.idr2();
        case gr0::idr7:
            return features_.idr7();
        case gr0::sgfar:
            return std::uint32_t(sgfar_);
        case gr0::sgfar + 4:
            return std::uint32_t(sgfar_ >> 32);
        case gr0::sgfsr:
            return sgfsr_;
        case gr0::sgfsynr0:
            return sgfsynr0_;
        case gr0::sgfsynr1:
            return sgfsynr1_;
        case gr0::stlbgstatus: {
            const bool active = sync_.still_active(behaviour_, tlb_);
            if (!active && std::exchange(drops_everything_, false))
                contexts_.forget_invalidations();
            return active ? 1 : 0;
        }
        default:
            return 0;
    }
}

void Unit::write_global(unsigned offset, std::uint32_t value) {
    if (offset >= gr0::smr && offset < gr0::ids) return write_streams(offset, value);
    switch (offset) {
        case gr0::scr0:
            return write_scr0(value);
        case gr0::scr2:
            scr2_ = value & 0xffff;
            return;
        case gr0::sacr:
            return write_sacr(value);
        case gr0::sgfsr:
            sgfsr_ &= ~value;
            return;
        case gr0::sgfsrrestore:
            sgfsr_ = value;
            return;
        case gr0::sgfsynr0:
        case gr0::sgfsynr1:
        case gr0::sgfsynr2:
        case gr0::sgfar:
        case gr0::sgfar + 4:
            return;
        case gr0::tlbivmid:
        case gr0::tlbivmids1:
            if (value >> (features_.wide_vmid ? 16 : 8) != 0)
                complain_(fmt::format("reserved bits of TLBIVMID: {:#x}", value));
            sync_.add(
                {.stage = offset == gr0::tlbivmids1 ? std::optional(Stage::first) : std::nullopt,
                 .vmid = std::uint16_t(value)});
            return;
        case gr0::tlbiallnsnh:
            sync_.add({});
            drops_everything_ = true;
            return;
        case gr0::tlbiallh:
            return;
        case gr0::stlbgsync:
            return synchronise();
        default:
            complain_(
                fmt::format("a write of {:#x} to {:#x} of global space 0, which cannot be "
                            "written",
                            value, offset));
    }
}

void Unit::write_streams(unsigned offset, std::uint32_t value) {
    const unsigned index = offset % 0x400 / 4;
    if (index >= features_.streams())
        return complain_(fmt::format("a write for stream group {}, which is not there", index));
    if (offset < gr0::s2cr) {
        if (value >> 31 != 0) expect_synchronised("an SMR becomes valid");
        return streams_.write_smr(index, value);
    }
    if (StreamType(value >> 16 & 3) == StreamType::translate)
        expect_synchronised("an S2CR leads to a bank");
    streams_.write_s2cr(index, value);
}

void Unit::synchronise() {
    if (!sync_.start(behaviour_)) complain_("sTLBGSYNC is written before the last one ended");
}

void Unit::expect_synchronised(const char* what) {
    if (sync_.outstanding())
        complain_(fmt::format("{} before a global invalidation was synchronised", what));
    if (const auto bank = contexts_.outstanding())
        complain_(
            fmt::format("{} before an invalidation of bank {} was synchronised", what, *bank));
}

void Unit::write_scr0(std::uint32_t value) {
    const std::uint32_t changed = value ^ scr0_;
    if ((value & scr0::reserved) != 0) complain_("the reserved bit 30 of sCR0 is set");
    if ((value & forced) != 0) complain_("sCR0 forces broadcasts or barriers");
    if ((value & scr0::exidenable) != 0 && !features_.extended_ids)
        complain_("EXIDENABLE is set on a unit without extended ids");
    if ((value & scr0::vmid16en) != 0 && !features_.wide_vmid)
        complain_("VMID16EN is set on a unit without 16-bit VMIDs");
    if ((changed & scr0::exidenable) != 0 && streams_.any_valid())
        complain_("EXIDENABLE is changed while SMRs are valid");
    if ((changed & value & scr0::clientpd) != 0)
        complain_("CLIENTPD is set: every stream bypasses the unit");
    scr0_ = value;
    streams_.set_extended((value & scr0::exidenable) != 0 && features_.extended_ids);
    contexts_.set_wide_vmid((value & scr0::vmid16en) != 0 && features_.wide_vmid);
    contexts_.set_no_stalls((value & scr0::stalld) != 0);
    if ((changed & scr0::clientpd) != 0 && translates()) {
        expect_synchronised("translation begins");
        streams_.check_all_written();
    }
}

void Unit::write_sacr(std::uint32_t value) {
    sacr_ = value | (behaviour_.cache_locked ? sacr::cache_lock : 0);
    contexts_.set_cache_locked((sacr_ & sacr::cache_lock) != 0);
}

bool Unit::global_interrupt() const {
    return (sgfsr_ & ~sgfsr::caf) != 0 && (scr0_ & scr0::gfie) != 0;
}

Outcome Unit::handle(const Request& request) {
    if (!translates()) return {Verdict::allowed, request.address};
    return by_stream(request);
}

Outcome Unit::by_stream(const Request& request) {
    const Streams::Match match = streams_.match(request.stream);
    if (!match.s2cr) {
        if ((scr0_ & scr0::usfcfg) == 0) return {Verdict::allowed, request.address};
        return fault(sgfsr::usf, request);
    }
    if (match.conflict && features_.conflict_detection) {
        if ((scr0_ & scr0::smcfcfg) == 0) return {Verdict::allowed, request.address};
        return fault(sgfsr::smcf, request);
    }
    switch (StreamType(*match.s2cr >> 16 & 3)) {
        case StreamType::bypass:
            return {Verdict::allowed, request.address};
        case StreamType::translate: {
            const auto outcome = contexts_.translate(*match.s2cr & 0xff, request);
            return outcome ? *outcome : fault(outcome.error(), request);
        }
        case StreamType::fault:
        case StreamType::reserved:
            break;
    }
    return fault(sgfsr::icf, request);
}

// While one is recorded, a further one leaves only MULTI.
Outcome Unit::fault(std::uint32_t bits, const Request& request) {
    if (sgfsr_ != 0) {
        sgfsr_ |= sgfsr::multi;
    } else {
        sgfsr_ = bits;
        sgfsynr0_ = (request.write ? wnr : 0) | (request.privileged ? pnu : 0);
        sgfsynr1_ = request.stream;
        sgfar_ = request.address;
    }
    return {(scr0_ & scr0::gfre) != 0 ? Verdict::aborted : Verdict::ignored};
}

}  // namespace smmu::model::mmu500
