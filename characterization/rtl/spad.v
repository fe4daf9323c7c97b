// Scratch pad of one PE: flip-flop words, one write port, one read port.
//
// Every choice below is there for energy, which in a spad of this size is mostly clock and read mux:
// - Each word is written under its own enable, so that synthesis puts one clock gate in front of each word.
// - Write data reach the words through one AND per bank of 16 words: a write toggles the data wires of one
//   bank only, and no net fans out to the whole spad.
// - The read mux selects with the high address bits first and the low ones last. Reads are nearly always
//   sequential, so the first and much larger level toggles only once in 16 reads.
// - Both levels are AND-OR with one-hot selects: per stored bit that is half the area of a tree of 2:1 muxes.
//
// REGISTERED = 1: rdata is a register, loaded when re = 1 (a pipeline stage).
// REGISTERED = 0: rdata follows raddr combinationally; re is not used. The user holds raddr when idle.
// A read of the word that is being written returns the old value.

/* verilator lint_off WIDTH */  // loop indices are compared with narrower addresses
module spad #(
    parameter WIDTH = 8,
    parameter DEPTH = 16,      // words, any integer >= 2
    parameter REGISTERED = 1
) (
    input                      clk,
    input                      we,
    input  [$clog2(DEPTH)-1:0] waddr,
    input  [WIDTH-1:0]         wdata,
    input                      re,
    input  [$clog2(DEPTH)-1:0] raddr,
    output [WIDTH-1:0]         rdata
);
    localparam BANKS   = (DEPTH + 15) / 16;
    localparam COLUMNS = (DEPTH < 16) ? DEPTH : 16;
    localparam ADDRESS = $clog2(DEPTH);

    // One leading zero nibble more, so that bank and column bits exist for every depth.
    wire [ADDRESS+3:0] write_at = {4'd0, waddr};
    wire [ADDRESS+3:0] read_at  = {4'd0, raddr};

    // Word {bank b, column j} sits at index j * BANKS + b: column after column. Absent words read as 0.
    wire [COLUMNS*BANKS*WIDTH-1:0] words;

    genvar b, j;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : g_bank
            wire             hit  = we & (write_at[ADDRESS+3:4] == b);
            wire [WIDTH-1:0] data = wdata & {WIDTH{hit}};
            for (j = 0; j < COLUMNS; j = j + 1) begin : g_word
                if (b * 16 + j < DEPTH) begin : g_present
                    reg [WIDTH-1:0] word;
                    wire            enable = hit & (write_at[3:0] == j);
                    always @(posedge clk) if (enable) word <= data;
                    assign words[(j*BANKS+b)*WIDTH +: WIDTH] = word;
                end else begin : g_absent
                    assign words[(j*BANKS+b)*WIDTH +: WIDTH] = {WIDTH{1'b0}};
                end
            end
        end
    endgenerate

    // Level 1: in each column, the word of the addressed bank.
    wire [COLUMNS*WIDTH-1:0] columns;
    generate
        if (BANKS == 1) begin : g_one_bank
            assign columns = words;
        end else begin : g_banks
            for (j = 0; j < COLUMNS; j = j + 1) begin : g_column
                reg [WIDTH-1:0] selected;
                integer         bank;
                always @* begin
                    selected = {WIDTH{1'b0}};
                    for (bank = 0; bank < BANKS; bank = bank + 1)
                        selected = selected | (words[(j*BANKS+bank)*WIDTH +: WIDTH]
                                               & {WIDTH{read_at[ADDRESS+3:4] == bank}});
                end
                assign columns[j*WIDTH +: WIDTH] = selected;
            end
        end
    endgenerate

    // Level 2: the addressed column.
    reg [WIDTH-1:0] selected;
    integer         column;
    always @* begin
        selected = {WIDTH{1'b0}};
        for (column = 0; column < COLUMNS; column = column + 1)
            selected = selected | (columns[column*WIDTH +: WIDTH] & {WIDTH{read_at[3:0] == column}});
    end

    generate
        if (REGISTERED) begin : g_registered
            reg [WIDTH-1:0] read_word;
            always @(posedge clk) if (re) read_word <= selected;
            assign rdata = read_word;
        end else begin : g_combinational
            assign rdata = selected;
        end
    endgenerate
endmodule
