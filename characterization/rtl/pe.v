// Row-stationary processing element (after Eyeriss, JSSC 2017): three scratch pads, one MAC, loop control.
//
// While `run` is high it issues one MAC per cycle, in the order of a 1-D convolution primitive with
// cfg_filters filters, each cfg_window words long (channels interleaved with taps):
//
//     for filter in 0 .. cfg_filters-1:
//         for tap in 0 .. cfg_window-1:
//             psum[filter] += ifmap[(base + tap) mod DI] * filters[filter * cfg_window + tap]
//     base += cfg_slide (mod DI), and again
//
// Pipeline:  S1 read ifmap and filter word | S2 product register | S3 read psum, add, write psum.
// S3 reads and writes in one cycle, so back-to-back MACs on one psum need no stall and no bypass.
// `run` may pause at any cycle. After the last MAC was issued, its psum is written two cycles later.
//
// Loads and drains go through pointers that start at 0 at reset and step with each access. Those of ifmap and
// filter run round their spads, and both spads may be loaded while the PE runs. The psum pointer runs round
// cfg_filters words and serves loads and drains alike; psum_we with psum_re in one cycle exchanges a word.
// Psums are loaded and drained whole (cfg_filters words) while the pipeline is empty. rst_n clears pointers
// and loop counters, not the spads: the array controller pulses it before a processing pass.

/* verilator lint_off WIDTH */  // depths, which are integers, become constants of address width
module pe #(
    parameter AW = 8,       // bits of an activation
    parameter WW = 8,       // bits of a weight
    parameter PW = 30,      // bits of a psum
    parameter DI = 12,      // words of the ifmap, filter and psum spads
    parameter DF = 224,
    parameter DP = 24
) (
    input                 clk,
    input                 rst_n,          // synchronous, active low
    input  [$clog2(DI):0] cfg_window,     // 1 .. DI; window * filters <= DF
    input  [$clog2(DP):0] cfg_filters,    // 1 .. DP
    input  [$clog2(DI):0] cfg_slide,      // 0 .. DI
    input                 ifmap_we,
    input  [AW-1:0]       ifmap_in,
    input                 filter_we,
    input  [WW-1:0]       filter_in,
    input                 psum_we,
    input  [PW-1:0]       psum_in,
    input                 run,
    input                 psum_re,
    output [PW-1:0]       psum_out,       // 0 unless psum_re: neighbours' wires stay quiet during the loop
    output                psum_valid,
    output                window_done     // the MAC issued in this cycle is the last of its window
);
    localparam IA = $clog2(DI);
    localparam FA = $clog2(DF);
    localparam PA = $clog2(DP);

    // Constants in the width of the registers they meet.
    localparam [IA:0]   DEPTH_I = DI;
    localparam [IA-1:0] LAST_I  = DI - 1;
    localparam [FA-1:0] LAST_F  = DF - 1;
    localparam [IA-1:0] ONE_I   = 1;
    localparam [FA-1:0] ONE_F   = 1;
    localparam [PA:0]   ONE_P   = 1;
    localparam [IA:0]   FIRST   = 1;

    // ---- load pointers
    reg [IA-1:0] ifmap_waddr;
    reg [FA-1:0] filter_waddr;
    always @(posedge clk)
        if (!rst_n)        ifmap_waddr <= {IA{1'b0}};
        else if (ifmap_we) ifmap_waddr <= (ifmap_waddr == LAST_I) ? {IA{1'b0}} : ifmap_waddr + ONE_I;
    always @(posedge clk)
        if (!rst_n)         filter_waddr <= {FA{1'b0}};
        else if (filter_we) filter_waddr <= (filter_waddr == LAST_F) ? {FA{1'b0}} : filter_waddr + ONE_F;

    // ---- S1: loop counters, which are the read addresses; they hold when run is low
    reg  [IA:0]   tap;          // counts 1 .. cfg_window
    reg  [PA-1:0] filter;       // 0 .. cfg_filters-1
    reg  [IA-1:0] base;         // first ifmap word of the window
    reg  [IA-1:0] ifmap_raddr;  // (base + tap - 1) mod DI, kept as a counter
    reg  [FA-1:0] filter_raddr; // filter * cfg_window + tap - 1, kept as a counter

    wire          last_tap    = (tap == cfg_window);
    wire [PA:0]   filter_next = {1'b0, filter} + ONE_P;
    wire          last_filter = (filter_next == cfg_filters);
    wire          last_mac    = last_tap & last_filter;
    wire [IA+1:0] slid        = {2'b00, base} + {1'b0, cfg_slide};
    wire [IA+1:0] wrapped     = slid - {1'b0, DEPTH_I};
    wire [IA-1:0] next_base   = wrapped[IA+1] ? slid[IA-1:0] : wrapped[IA-1:0];
    wire [IA-1:0] ifmap_next  = (ifmap_raddr == LAST_I) ? {IA{1'b0}} : ifmap_raddr + ONE_I;

    always @(posedge clk)
        if (!rst_n) begin
            tap          <= FIRST;
            ifmap_raddr  <= {IA{1'b0}};
            filter_raddr <= {FA{1'b0}};
        end else if (run) begin
            tap          <= last_tap ? FIRST : tap + FIRST;
            ifmap_raddr  <= last_mac ? next_base : last_tap ? base : ifmap_next;
            filter_raddr <= last_mac ? {FA{1'b0}} : filter_raddr + ONE_F;
        end
    always @(posedge clk)
        if (!rst_n)              filter <= {PA{1'b0}};
        else if (run & last_tap) filter <= last_filter ? {PA{1'b0}} : filter_next[PA-1:0];
    always @(posedge clk)
        if (!rst_n)              base <= {IA{1'b0}};
        else if (run & last_mac) base <= next_base;

    assign window_done = run & last_mac;

    // ---- S2 and S3: which stages hold a MAC, and for which psum
    reg          run_s2, run_s3;
    reg [PA-1:0] filter_s2;
    reg [PA-1:0] psum_addr;
    always @(posedge clk) begin
        run_s2 <= rst_n & run;
        run_s3 <= rst_n & run_s2;
    end
    always @(posedge clk)
        if (run) filter_s2 <= filter;

    // One psum address serves the loop, loads and drains; when the loop leaves S3 it goes back to 0.
    wire [PA:0] psum_next = {1'b0, psum_addr} + ONE_P;
    always @(posedge clk)
        if (!rst_n)                 psum_addr <= {PA{1'b0}};
        else if (run_s2)            psum_addr <= filter_s2;
        else if (run_s3)            psum_addr <= {PA{1'b0}};
        else if (psum_we | psum_re) psum_addr <= (psum_next == cfg_filters) ? {PA{1'b0}} : psum_next[PA-1:0];

    // ---- data path
    wire [AW-1:0] act;
    wire [WW-1:0] wgt;
    wire [PW-1:0] psum_old;
    wire [PW-1:0] psum_new;

    spad #(.WIDTH(AW), .DEPTH(DI), .REGISTERED(1)) u_ifmap (
        .clk(clk), .we(ifmap_we), .waddr(ifmap_waddr), .wdata(ifmap_in),
        .re(run), .raddr(ifmap_raddr), .rdata(act)
    );
    spad #(.WIDTH(WW), .DEPTH(DF), .REGISTERED(1)) u_filter (
        .clk(clk), .we(filter_we), .waddr(filter_waddr), .wdata(filter_in),
        .re(run), .raddr(filter_raddr), .rdata(wgt)
    );
    spad #(.WIDTH(PW), .DEPTH(DP), .REGISTERED(0)) u_psum (
        .clk(clk), .we(run_s3 | psum_we), .waddr(psum_addr), .wdata(run_s3 ? psum_new : psum_in),
        .re(1'b0), .raddr(psum_addr), .rdata(psum_old)
    );
    mac #(.AW(AW), .WW(WW), .PW(PW)) u_mac (
        .clk(clk), .en(run_s2), .act(act), .wgt(wgt), .psum_in(psum_old), .psum_out(psum_new)
    );

    assign psum_out   = psum_old & {PW{psum_re}};
    assign psum_valid = psum_re;
endmodule
