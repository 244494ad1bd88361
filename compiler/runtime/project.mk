# SPDX-License-Identifier: Apache-2.0
# Builds and runs this network; needs make and a C compiler, nothing else.
#   make [run]                                       host; CC=clang, THREADS=1, CORES=8, SANITIZE=1 as you like
#   make TARGET=rv32 CROSS=riscv64-unknown-elf-      bare RV32IMC; HARTS=8 for eight harts
#   make run TARGET=rv32 SIM=...                     on the simulator spike
#   make TARGET=siracusa HARTS=8                     bare-metal Siracusa; run: SIM=command, of a simulator you have
# LAZY=1 makes every transfer happen as late as it may; COUNTERS=0 compiles the counters out.

TARGET   ?= host
COUNTERS ?= 1
LAZY     ?= 0
THREADS  ?= 0
SANITIZE ?= 0
HARTS    ?= 1
CORES    ?= $(if $(filter 1,$(THREADS)),8,1)

CFLAGS  ?= -O2
ALLFLAGS = -std=c11 $(CFLAGS) -Wall -Wextra -Werror -ffunction-sections -fdata-sections -Iruntime/include \
           -DDSE_COUNTERS=$(COUNTERS)
LDFLAGS += -Wl,--gc-sections

ifeq ($(TARGET),host)
  NAME      = host-$(CORES)-$(THREADS)-$(SANITIZE)-$(LAZY)-$(COUNTERS)
  COMPILER  = $(CC)
  RUN       = $(BINARY)
  ifeq ($(THREADS),1)
    ALLFLAGS += -pthread
  endif
  ifeq ($(SANITIZE),1)
    ALLFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -g1
  endif
else ifneq ($(filter rv32 siracusa,$(TARGET)),)
  NAME      = $(TARGET)-$(HARTS)-$(LAZY)-$(COUNTERS)
  CROSS    ?= riscv64-unknown-elf-
  COMPILER  = $(CROSS)gcc
  # The 2.2 spec has the CSR instructions in the base ISA: no multilib matches rv32imc_zicsr, and none is needed.
  ALLFLAGS += -march=rv32imc -misa-spec=2.2 -mabi=ilp32 -ffreestanding -fno-pic
  LDFLAGS  += -nostdlib -T runtime/hal/$(TARGET)/link.ld
ifeq ($(TARGET),siracusa)
  RUN       = $(SIM) $(BINARY)
else
  # spike asks dtc for a device tree; without dtc give it one: DTB=file.dtb
  SIM      ?= spike --isa=rv32imc_zicsr_zicntr -p$(HARTS) -m0x80000000:0x10000000 $(if $(DTB),--dtb=$(DTB))
  RUN       = $(SIM) $(BINARY)
endif
else
  $(error TARGET is host, rv32 or siracusa, not '$(TARGET)')
endif

BUILD   = build/make-$(NAME)
BINARY  = $(BUILD)/network
SHARED  = $(wildcard runtime/hal/*.c)
KERNELS = $(wildcard runtime/kernels/*.c)
ifeq ($(TARGET),siracusa)
  # kernels of runtime/xpulp replace portable ones of their names; the DMA moves, not the copy loop; the NPU
  # computes, not its functional model; memory functions and 64-bit arithmetic are rv32's
  ALLFLAGS += -DDSE_XPULP=1
  XPULP   = $(wildcard runtime/xpulp/*.c)
  KERNELS := $(filter-out $(XPULP:runtime/xpulp/%=runtime/kernels/%),$(KERNELS)) $(XPULP)
  SHARED := $(filter-out runtime/hal/transfer.c runtime/hal/npu_queue.c,$(SHARED)) runtime/hal/rv32/builtins.c
endif
SOURCES = $(wildcard *.c *.S runtime/hal/$(TARGET)/*.c runtime/hal/$(TARGET)/*.S) $(KERNELS) $(SHARED)
HEADERS = $(wildcard *.h runtime/include/*.h runtime/kernels/*.h runtime/xpulp/*.h runtime/hal/*.h runtime/hal/*/*.h)
OBJECTS = $(patsubst %,$(BUILD)/%.o,$(SOURCES))

all: $(BINARY)

run: $(BINARY)
	$(RUN)

$(BINARY): $(OBJECTS) Makefile
	$(COMPILER) $(ALLFLAGS) $(OBJECTS) $(LDFLAGS) -o $@

$(BUILD)/%.o: % $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(COMPILER) $(ALLFLAGS) $(FILEFLAGS) -c $< -o $@

$(BUILD)/weights.S.o: $(wildcard *.bin)
$(BUILD)/runtime/hal/transfer.c.o $(BUILD)/runtime/hal/npu_queue.c.o: FILEFLAGS = -DDSE_LAZY=$(LAZY)
$(BUILD)/runtime/hal/host/host.c.o: FILEFLAGS = -DDSE_CORES=$(CORES) -DDSE_THREADS=$(THREADS)
$(BUILD)/runtime/hal/rv32/harts.S.o $(BUILD)/runtime/hal/siracusa/cores.S.o: FILEFLAGS = -DDSE_HARTS=$(HARTS)

clean:
	rm -rf build

.PHONY: all run clean
