// Operand register of a systolic processing element: one word with an enable, so one clock gate.
module systolic_register #(
    parameter WIDTH = 8
) (
    input                  clk,
    input                  en,
    input      [WIDTH-1:0] d,
    output reg [WIDTH-1:0] q
);
    always @(posedge clk)
        if (en) q <= d;
endmodule
