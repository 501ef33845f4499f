// SPDX-License-Identifier: Apache-2.0
// kill_at COUNT PROGRAM WORD...   runs a program, and kills it after its register write or store into live tables number COUNT.
//                                 Prints "died after write COUNT: FUNCTION" then, and ends with 0; else with the program's status.
//                                 COUNT 0: the program lives until SIGTERM comes, and how many there were is printed.
//
// The program is the one that is installed, without anything for tests in it: breakpoints (ptrace) stand on the functions that
// write, which its symbols name. What the compiler put into its callers is not seen.
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <span>
#include <string>

namespace {

using Word = unsigned long;  // what ptrace moves

// Parts of mangled names: "a::b" is "1a1b".
bool is_writer(std::string_view name) {
    constexpr std::array<std::string_view, 3> whole = {"9Registers7write32", "9Registers7write64", "_ZN4smmu2hw5store"};
    for (const std::string_view part : whole)
        if (name.find(part) != name.npos) return true;
    if (name.find("11StreamTable5storeE") != name.npos || name.find("11StreamTable8add_leafE") != name.npos) return true;
    if (name.find("9PageTable") == name.npos || name.find("5State") == name.npos) return false;
    return name.find("E5storeE") != name.npos || name.find("12store_leavesE") != name.npos || name.find("12clear_leavesE") != name.npos;
}

// {address in the file, name} of every such function.
std::map<std::uint64_t, std::string> writers_in(const char* program) {
    std::map<std::uint64_t, std::string> found;
    const int file = open(program, O_RDONLY | O_CLOEXEC);
    struct stat status{};
    if (file < 0 || fstat(file, &status) != 0) return found;
    const auto bytes = std::size_t(status.st_size);
    const void* const mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return found;
    const auto* const start = static_cast<const char*>(mapped);
    const auto* const head = static_cast<const Elf64_Ehdr*>(mapped);
    const std::span sections(reinterpret_cast<const Elf64_Shdr*>(start + head->e_shoff), head->e_shnum);
    for (const Elf64_Shdr& section : sections) {
        if (section.sh_type != SHT_SYMTAB) continue;
        const char* const names = start + sections[section.sh_link].sh_offset;
        const std::span symbols(reinterpret_cast<const Elf64_Sym*>(start + section.sh_offset), section.sh_size / sizeof(Elf64_Sym));
        for (const Elf64_Sym& symbol : symbols)
            if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_value != 0 && is_writer(names + symbol.st_name))
                found.emplace(symbol.st_value, names + symbol.st_name);
    }
    return found;
}

// The general registers, of which three are of interest here.
class Frame {
public:
    explicit Frame(pid_t process) : process_(process) {
        iovec part{&registers_, sizeof registers_};
        ptrace(PTRACE_GETREGSET, process_, NT_PRSTATUS, &part);
    }
#if defined(__x86_64__)
    static constexpr Word breakpoint = 0xcc, breakpoint_mask = 0xff;
    static constexpr std::uint64_t behind = 1;  // of the breakpoint, the program counter stands
    std::uint64_t at() const { return registers_.rip; }
    std::uint64_t stack() const { return registers_.rsp; }
    // At the first instruction of a function.
    std::uint64_t returns_to() const { return std::uint64_t(ptrace(PTRACE_PEEKDATA, process_, registers_.rsp, nullptr)); }
    void go_to(std::uint64_t address) { registers_.rip = address; }
#elif defined(__aarch64__)
    static constexpr Word breakpoint = 0xd4200000, breakpoint_mask = 0xffffffff;
    static constexpr std::uint64_t behind = 0;
    std::uint64_t at() const { return registers_.pc; }
    std::uint64_t stack() const { return registers_.sp; }
    std::uint64_t returns_to() const { return registers_.regs[30]; }
    void go_to(std::uint64_t address) { registers_.pc = address; }
#endif
    void write() {
        iovec part{&registers_, sizeof registers_};
        ptrace(PTRACE_SETREGSET, process_, NT_PRSTATUS, &part);
    }

private:
    pid_t process_;
    user_regs_struct registers_{};
};

volatile sig_atomic_t is_told_to_end = 0;
volatile pid_t traced_process = 0;

class Traced {
public:
    // The program stands before its first instruction.
    static Traced start(char** line) {
        Traced traced;
        traced.process_ = fork();
        if (traced.process_ == 0) {
            ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            execv(line[0], line);
            _exit(127);
        }
        waitpid(traced.process_, &traced.status_, 0);
        traced_process = traced.process_;
        ptrace(PTRACE_SETOPTIONS, traced.process_, nullptr, PTRACE_O_EXITKILL);
        return traced;
    }
    bool lives() const { return WIFSTOPPED(status_); }
    int status() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_); }
    pid_t process() const { return process_; }

    void set_breakpoint(std::uint64_t address) {
        const Word before = peek(address);
        instructions_[address] = before;
        poke(address, (before & ~Frame::breakpoint_mask) | Frame::breakpoint);
    }
    // Until the next breakpoint, or the end. The address of the breakpoint; 0: it ended, or this process is told to.
    std::uint64_t run_on() {
        int signal = 0;
        while (lives()) {
            ptrace(PTRACE_CONT, process_, nullptr, signal);
            while (waitpid(process_, &status_, 0) < 0 && errno == EINTR) {}
            if (!lives()) return 0;
            signal = WSTOPSIG(status_);
            Frame frame(process_);
            const std::uint64_t at = frame.at() - Frame::behind;
            if (signal != SIGTRAP || !instructions_.contains(at)) continue;
            frame.go_to(at);
            frame.write();
            return at;
        }
        return 0;
    }
    // From a breakpoint at the beginning of a function: to where it returns, with what it calls. One that takes long, since it
    // fills whole tables, is left in its middle.
    void finish(std::uint64_t address) {
        constexpr int most_steps = 200'000;
        const Frame begun(process_);
        const std::uint64_t end = begun.returns_to();
        poke(address, instructions_[address]);
        const auto has_returned = [&] {
            const Frame now(process_);
            return now.at() == end && now.stack() >= begun.stack();
        };
        int steps = 0;
        do
            step();
        while (lives() && ++steps < most_steps && !has_returned());
    }
    // From a breakpoint: over the instruction that it hides.
    void pass(std::uint64_t address) {
        const Word hidden = instructions_[address];
        poke(address, hidden);
        step();
        if (lives()) poke(address, (hidden & ~Frame::breakpoint_mask) | Frame::breakpoint);
    }
    void kill_now() {
        kill(process_, SIGKILL);
        while (waitpid(process_, &status_, 0) >= 0 && lives()) {}
    }

private:
    void step() {
        ptrace(PTRACE_SINGLESTEP, process_, nullptr, nullptr);
        while (waitpid(process_, &status_, 0) < 0 && errno == EINTR) {}
    }
    Word peek(std::uint64_t address) const { return Word(ptrace(PTRACE_PEEKTEXT, process_, address, nullptr)); }
    void poke(std::uint64_t address, Word value) const { ptrace(PTRACE_POKETEXT, process_, address, value); }

    pid_t process_ = 0;
    int status_ = 0;
    std::map<std::uint64_t, Word> instructions_;  // under the breakpoints
};

// Where the program's file begins in memory.
std::uint64_t base_of(pid_t process) {
    std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
    std::uint64_t base = 0;
    maps >> std::hex >> base;
    return base;
}

void end_program(int) {
    is_told_to_end = 1;
    if (traced_process != 0) kill(traced_process, SIGKILL);
}

int run(unsigned long count, char** line) {
    const auto writers = writers_in(line[0]);
    if (writers.empty()) {
        std::fprintf(stderr, "kill_at: %s is not there, or has no symbols of functions that write\n", line[0]);
        return 2;
    }
    signal(SIGTERM, end_program);
    Traced program = Traced::start(line);
    const std::uint64_t base = program.lives() ? base_of(program.process()) : 0;
    for (const auto& [address, name] : writers) program.set_breakpoint(base + address);
    for (unsigned long writes = 1;; ++writes) {
        const std::uint64_t at = program.run_on();
        if (at == 0) {
            std::printf("%lu writes\n", writes - 1);
            return is_told_to_end ? 0 : program.status();
        }
        if (writes == count) {
            program.finish(at);
            program.kill_now();
            std::printf("died after write %lu: %s\n", count, writers.at(at - base).c_str());
            return 0;
        }
        program.pass(at);
    }
}

}  // namespace

int main(int count, char** words) {
    if (count >= 3) return run(std::strtoul(words[1], nullptr, 10), words + 2);
    std::fprintf(stderr, "usage: kill_at COUNT PROGRAM WORD...\n");
    return 2;
}
